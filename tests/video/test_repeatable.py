"""The same frames give the same packets, whatever else goes on and whatever memory held before."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import pytest

from ppvsr.video.encoder import ALWAYS, AVX512, Encoding
from tests.video.films import make_film
from tests.video.working import KINDS

ROOT = Path(__file__).parents[2]
# What glibc fills fresh memory with, in programs that run beside each other; elsewhere these numbers mean nothing.
FILLINGS = ("77", "165")
# Each encoder once, in the kind of file it comes first with.
ENCODERS = list({codec: (container, codec, pix_fmt) for container, codec, pix_fmt in reversed(KINDS)}.values())


@pytest.mark.slow
@pytest.mark.parametrize(("size", "kinds"), [("64x48", ENCODERS), ("160x120", [("mp4", "libx264", None)])], ids=str)
def test_encoders_repeat_themselves(size, kinds, tmp_path):
    source = make_film(tmp_path / "film.mp4", times=3)
    names = [",".join(each or "" for each in kind) for kind in kinds]
    command = [sys.executable, "-m", "tests.video.encode_all", str(source), size, *names]
    running = [
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "MALLOC_PERTURB_": each}, stdout=subprocess.PIPE, text=True
        )
        for each in FILLINGS
    ]
    found = defaultdict(list)
    for process in running:
        for line in process.communicate()[0].splitlines():
            name, *result = line.split()
            found[name].append(result)
    assert {name: len(each) for name, each in found.items()} == dict.fromkeys(names, 2 * len(FILLINGS))
    assert {name: each for name, each in found.items() if each != each[:1] * len(each)} == {}


@pytest.mark.skipif(not cv2.checkHardwareSupport(AVX512), reason="needs AVX-512")
def test_x264_does_without_avx512():
    assert "AVX2" in Encoding().options("libx264")["x264-params"]
    assert "AVX512" not in Encoding().options("libx264")["x264-params"]
    assert "x264-params" in ALWAYS["libx264rgb"]
