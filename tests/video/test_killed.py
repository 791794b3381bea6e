"""Runs that are killed at any moment, again and again, give the film of the run that was not."""

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ppvsr.video import workdir
from tests.video.films import Sound, make_film
from tests.video.test_work import read
from tests.video.working import decoded
from tests.video.write_slowly import SIZES

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that multiply")


class Runner:
    """Runs the same work over and over, in children of one process that has imported all it needs."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "tests.video.write_slowly", *map(str, arguments)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def run(self, seconds=None):
        """Run, for so long at most; returns whether it came to its end, and how long that took."""
        self._process.stdin.write("\n" if seconds is None else f"{seconds}\n")
        self._process.stdin.flush()
        word, took = self._process.stdout.readline().split()
        return word == "ended", float(took)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kills"), [("out.mp4", 24), ("out.mkv", 8), ("out", 8)])
def test_a_film_survives_being_killed_at_random_moments(name, kills, tmp_path):
    source = make_film(tmp_path / "film.mp4", times=60, companions=[Sound(seconds=2)])
    folder = tmp_path / "work"
    folder.mkdir()
    target, diary = folder / name, tmp_path / "diary"
    chance = random.Random(7)
    with Runner(source, target, diary) as runner:
        assert runner.run()[0]
        took = runner.run()[1]
        wanted, pictures = read(target), None if name == "out" else decoded(target)
        while kills > 0:
            shutil.rmtree(target) if name == "out" else target.unlink()
            diary.unlink(missing_ok=True)
            killed = 0
            while not runner.run(chance.uniform(0, took / 2) if kills else None)[0]:
                kills, killed = kills - 1, killed + 1
                assert unfinished(folder) <= 1
            begun = Counter(diary.read_text().split())
            assert len(begun) == len(SIZES) and begun.total() <= len(SIZES) + killed
            assert os.listdir(folder) == [name]
            assert read(target) == wanted
            assert name == "out" or decoded(target) == pictures


def unfinished(folder):
    """How many unfinished files or folders a killed run left."""
    return sum(each.name.endswith(".part") for work in folder.glob("*.ppvsr") for each in work.iterdir())


def test_what_a_killed_run_left_is_gone_before_anything_is_written(tmp_path, monkeypatch):
    """So that a run that is killed at its beginning leaves its own unfinished file only."""
    folder, seen = tmp_path / "out.mp4.ppvsr", []
    (folder / ".000000.part").mkdir(parents=True)
    (folder / "result.part").write_bytes(b"half")
    monkeypatch.setattr(workdir, "write_synced", lambda path, data: seen.append(unfinished(tmp_path)))
    workdir.begin(folder, {"a": 1}, False)
    assert seen == [0]
