"""Films broken at random: the short run of benchmarks/fuzz.py, and proof that it would notice."""

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.mutations import make_seeds, mutate
from ppvsr.cli import enhance

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs fork and /proc")


@pytest.mark.slow
def test_sixty_broken_films_give_a_film_or_one_line(tmp_path):
    command = [sys.executable, "-m", "benchmarks.fuzz", "--films=60", "--seed=7", f"--keep={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # a process that has no threads to fork
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.findall(r"^ *(\d+)  (a film|a film and its damage|one line \(1\))$", done.stdout, re.MULTILINE)
    assert len(counts) == 3 and 50 < sum(int(count) for count, _ in counts) <= 60
    assert "60 films in " in done.stdout and done.stdout.endswith("; 0 findings\n")


@pytest.mark.slow
def test_the_same_seed_breaks_films_in_the_same_way(tmp_path):
    seeds = make_seeds(tmp_path)
    once, again = ([mutate(seeds, random.Random(f"3 {n}")) for n in range(20)] for _ in range(2))
    assert once == again and len({data for _, data in once}) == 20
    assert not {data for _, data in once} & {seed.data for seed in seeds}


def crash(arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(arguments):
    while True:
        pass


def litter(arguments):
    folder = arguments[arguments.index("--output") + 1]
    os.mkdir(folder)
    with open(f"{folder}/.a.part", "w"):
        return 1


BUGS = {
    "crashes with SIGKILL": crash,
    "hangs": hang,
    "exit code 1 with 0 lines": litter,
    "says 'out of memory'": lambda arguments: bytearray(1 << 34) and 0,
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BUGS)
def test_a_bug_would_be_found(what, tmp_path, monkeypatch):
    from ppvsr.cli.common import fail

    def run(arguments):
        try:
            return BUGS[what](arguments)
        except MemoryError:
            return fail(enhance.NAME, "out of memory", 1)

    monkeypatch.setattr(fuzz, "enhance", run)
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    summary = fuzz.fuzz(1, 0, jobs=1, keep=tmp_path / "kept")
    assert [line.split(": ")[1] for line in summary.findings] == [what]
    (kept,) = (tmp_path / "kept").iterdir()
    assert {"said.txt"} < {each.name for each in kept.iterdir()}
