"""A table of what people and machines hand over: a film comes out, or one line and nothing else."""

import faulthandler
import os
import random
import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ppvsr.cli.enhance import main
from tests.films import streams
from tests.video.enlarging import times
from tests.video.films import make_film

ROBUST = Path(__file__).parents[1] / "data/robust"
SMALL = {"size": (32, 24), "times": 3}


def file(name, data):
    def make(folder):
        (folder / name).write_bytes(data)
        return folder / name

    return make


def robust(name):
    return lambda folder: Path(shutil.copy(ROBUST / name, folder / name))


def film(name, **options):
    return lambda folder: make_film(folder / name, **SMALL | options)


def renamed(name, suffix):
    return lambda folder: make_film(folder / f"a.{suffix}", **SMALL).rename(folder / name)


def directory(folder):
    (folder / "clip.mp4").mkdir()
    return folder / "clip.mp4"


def fifo(folder):
    os.mkfifo(folder / "clip.mp4")
    return folder / "clip.mp4"


def leads_to_a_fifo(text):
    def make(folder):
        os.mkfifo(folder / "pipe.ts")
        return file("clip.mp4", text)(folder)

    return make


def patched(name, pattern, change, **options):
    """A film in which what matches `pattern` is changed."""

    def make(folder):
        path = make_film(folder / name, **SMALL | options)
        path.write_bytes(re.sub(pattern, change, path.read_bytes(), flags=re.DOTALL))
        return path

    return make


def no_duration(folder):
    path = make_film(folder / "a.mkv", **SMALL, muxer_options={"live": "1"})
    return path


HUGE = (16000).to_bytes(2, "big") * 2
HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\npipe.ts\n#EXT-X-ENDLIST\n"

NETWORK = {"variant": "PPMSVSRSmall", "backend": "dygraph"}  # the other one is prepared for half a minute

# What it is: (how to make it, exit code, frames or what the line says).
CASES = {
    "zero bytes": (file("a.mp4", b""), 1, "is not a film that FFmpeg can read"),
    "text": (file("a.mp4", b"Dear diary,\n" * 99), 1, "is not a film that FFmpeg can read"),
    "noise": (file("a.mp4", random.Random(0).randbytes(20000)), 1, "is not a film that FFmpeg can read"),
    "a wrong ending": (renamed("a.avi", "mkv"), 0, 3),
    "no ending": (renamed("clip", "mp4"), 0, 3),
    "an image's ending": (renamed("a.png", "mp4"), 1, "is not a readable image"),
    "huge claimed pictures": (
        patched(
            "a.avi", b"\xff\xc0\x00\x11\x08....", b"\xff\xc0\x00\x11\x08" + HUGE, codec="mjpeg", pix_fmt="yuvj420p"
        ),
        1,
        "not one frame could be decoded",
    ),
    "a huge claimed box": (
        patched("a.mp4", b"....mdat", b"\x7f\xff\xff\xffmdat", muxer_options={"movflags": "faststart"}),
        0,
        3,
    ),
    "one pixel": (film("a.mkv", codec="ffv1", pix_fmt="yuv444p", size=(1, 1)), 0, 3),
    "20000x20 pixels": (film("a.mkv", codec="ffv1", size=(20000, 20)), 2, "80000x80: the encoder refuses"),
    "one frame": (film("a.mp4", times=1), 0, 1),
    "no duration": (no_duration, 0, 3),
    "a directory": (directory, 2, "holds no films and no images"),
    "a fifo": (fifo, 2, "is not a file"),
    "a list of files": (leads_to_a_fifo(b"ffconcat version 1.0\nfile pipe.ts\n"), 1, "is a list of films, not a film"),
    "a playlist": (leads_to_a_fifo(b"\xef\xbb\xbf" + HLS), 1, "is a list of films, not a film"),
    "nothing": (lambda folder: folder / "a.mp4", 2, "does not exist"),
    "quotes": (film('it\'s "it" `x` $(y).mp4'), 0, 3),
    "a newline": (film("a\nb.mp4"), 0, 3),
    "a leading dash": (film("-a.mp4"), 0, 3),
    "CJK": (film("电影 第一集.mp4"), 0, 3),
    "a colon": (film("http:a.mp4"), 0, 3),
    "percent": (film("a%08d.mp4"), 0, 3),
    "a very long name": (film("x" * 225 + ".mp4"), 0, 3),
    "bytes that are no text": (lambda folder: film("a.mp4")(folder).rename(folder / os.fsdecode(b"a\xff.mp4")), 0, 3),
    "audio_only.mp4": (robust("audio_only.mp4"), 1, "holds no video stream (streams found: audio (aac))"),
    "bad_init_only.mp4": (robust("bad_init_only.mp4"), 1, "480 of 480 frames are missing"),
    "bad_init_only_truncated.mp4": (robust("bad_init_only_truncated.mp4"), 1, "holds no video stream"),
    "bad_vp9_bitstream.webm": (robust("bad_vp9_bitstream.webm"), 1, "51 packets could not be decoded cleanly"),
    "mk_truncated_nomoov.mp4": (robust("mk_truncated_nomoov.mp4"), 1, "is not a film that FFmpeg can read"),
    "single_1frame.ogv": (robust("single_1frame.ogv"), 1, "is not a film that FFmpeg can read"),
    "tiny_1x1.mp4": (robust("tiny_1x1.mp4"), 0, 5),
    "ts_unordered.mov": (robust("ts_unordered.mov"), 0, 4),
}


@pytest.fixture(autouse=True)
def bounded():
    """Nothing here may hang; a fifo that is waited for can only be left by ending the process."""
    faulthandler.dump_traceback_later(120, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def enhance(path, output, variant="Bicubic", backend="auto"):
    arguments = ["--output", str(output), "--process_order", variant, "--preset", "ultrafast", "--backend", backend]
    return main([f"--input={path}", *arguments])


def check(case, folder, capfd, **options):
    make, code, expected = CASES[case]
    path = make(folder)
    output = folder / "out"
    assert enhance(path, output, **options) == code
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("ppvsr-enhance: ")]
    made = list(output.iterdir()) if output.exists() else []
    if code == 0:
        assert said == [] and len(made) == 1 and not made[0].name.startswith(".")
        assert streams(made[0])[0][3] == expected
    else:
        assert made == [] and len(said) == 1 and expected in said[0]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_film_or_one_line(case, tmp_path, capfd):
    check(case, tmp_path, capfd)


@pytest.mark.slow
@pytest.mark.parametrize("case", [name for name in CASES if CASES[name][1]] + ["one frame", "a newline"])
def test_a_film_or_one_line_from_a_network(case, tmp_path, capfd):
    check(case, tmp_path, capfd, **NETWORK)


def test_names_are_found_from_their_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film("-a.mp4")(tmp_path)
    assert enhance("-a.mp4", "out") == 0
    assert [each.name for each in Path("out").iterdir()] == ["-a_Bicubic.mp4"]


DAMAGED = {
    "mp4": {"muxer_options": {"movflags": "faststart"}},
    "mkv": {},
    "webm": {"codec": "libvpx-vp9"},
    "mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "ts": {"time_base": Fraction(1, 90000)},
    "flv": {"codec": "flv1"},
}
NOISE = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)


def damaged(folder, suffix, count):
    """A film of noise in motion, of whose bytes a tenth is gone in the middle."""
    path = make_film(
        folder / f"a.{suffix}", times=count, gop=5, pictures=lambda n: NOISE[n : n + 48, n : n + 64], **DAMAGED[suffix]
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 10] = bytes(len(data) // 10)
    path.write_bytes(data)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("suffix", DAMAGED)
def test_a_hole_is_filled_and_told_at_the_end(suffix, tmp_path, capfd):
    assert enhance(damaged(tmp_path, suffix, 50), tmp_path / "out") == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert re.search(r"the source is damaged: .*\d+ frames? lost, the one before is shown instead$", last)
    (made,) = (tmp_path / "out").iterdir()
    assert [round(time * 25) for time in times(made)] == list(range(50))


@pytest.mark.slow
def test_a_hole_is_filled_before_the_network(tmp_path, capfd):
    assert enhance(damaged(tmp_path, "mov", 8), tmp_path / "out", **NETWORK) == 1
    assert "lost, the one before is shown instead" in capfd.readouterr().err.splitlines()[-1]
    (made,) = (tmp_path / "out").iterdir()
    assert len(times(made)) == 8
