"""Shrinking in processes: kill -9, Ctrl-C, workers that die and disks that are full."""

import os
import resource
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from ppvsr.data.clips import read_picture
from ppvsr.data.shrink import Job, shrink
from ppvsr.errors import PpvsrError
from tests.datasets.test_prepare_vimeo import TOOL, files, run, write_clip


def write_still(folder):
    """A clip of the size of Vimeo-90K, quickly: all frames are the same file."""
    folder.mkdir(parents=True)
    ramp = np.indices((256, 448)).sum(0).astype(np.uint8)
    cv2.imwrite(str(folder / "im1.png"), np.dstack([ramp, ramp.T.reshape(256, 448), ramp // 2]))
    for number in range(2, 8):
        (folder / f"im{number}.png").hardlink_to(folder / "im1.png")


@pytest.fixture
def root(tmp_path):
    return tmp_path


def command(root):
    flags = [f"--test-annotation={root / 'sep_testlist.txt'}", "--workers=2", "--generate-lq"]
    return [sys.executable, TOOL, *flags, f"--images-root={root / 'sequences'}", f"--output-dir={root / 'BIx4'}"]


def start(root, clips=20):
    for clip in range(clips):
        write_still(root / "sequences" / f"00003/{clip:04d}")
    (root / "sep_testlist.txt").write_text("\n".join(f"00003/{clip:04d}" for clip in range(clips)))
    process = subprocess.Popen(
        command(root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while process.poll() is None and len(files(root / "BIx4")) < 5:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    return process


def group_is_empty(process, seconds=10):
    """Whether no process of the tool's group lives any more."""
    for _ in range(seconds * 50):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_killed_in_the_middle_it_leaves_whole_pictures_and_no_workers_and_goes_on(root):
    process = start(root)
    process.kill()
    process.communicate()
    assert group_is_empty(process)
    pictures = [path for path in files(root / "BIx4").values() if path.suffix == ".png"]
    assert 5 <= len(pictures) < 140
    assert all(read_picture(path).shape == (64, 112, 3) for path in pictures)
    before = {path: path.stat().st_mtime_ns for path in pictures}
    assert run(root, "--output-dir", root / "BIx4", "--generate-lq", "--workers", 2, lists=["test"]) == 0
    assert len(files(root / "BIx4")) == 140
    assert {path: path.stat().st_mtime_ns for path in pictures} == before


@pytest.mark.slow
def test_ctrl_c_ends_it_in_one_line_without_workers_or_half_files(root):
    process = start(root)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody in the group
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines()[-1].endswith(
        "vimeo_preprocess: interrupted; what was finished stays, the same command goes on"
    )
    assert "Traceback" not in err
    assert group_is_empty(process)
    assert all(name.endswith(".png") for name in (path.name for path in files(root / "BIx4").values()))


def die(*_args):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_an_error_not_a_silence(root, monkeypatch):
    monkeypatch.setattr("ppvsr.data.shrink._work", die)
    with pytest.raises(PpvsrError, match=r"a worker was killed \(exit code -9\).*fewer --workers"):
        list(shrink([Job(root, root, ("im1.png",))], 4, 1))


def test_a_full_disk_ends_the_work_in_one_line_without_half_files(root):
    write_clip(root / "sequences/00003/0001", size=(256, 256))
    (root / "sep_testlist.txt").write_text("00003/0001")
    done = subprocess.run(
        command(root),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert done.returncode == 1
    assert "im1.png: cannot be written: File too large; what was finished stays" in done.stderr.splitlines()[-1]
    assert files(root / "BIx4") == {}
