"""Films broken at random, given to `video-enhance`: what becomes of them?

    python -m benchmarks.fuzz [--films 2000] [--seed 0] [--jobs 2] [--keep build/fuzz]

Small films of many containers and codecs are made, and each of the `films` is one of them, mutated: bytes flipped,
ranges cut, removed, doubled, swapped, packets exchanged, lengths of boxes and elements changed, two films spliced.
A forked child enlarges it by Bicubic within limits of time and memory.  Right is a film, whole (exit code 0) or damaged
(1), or one line and nothing else (1 or 2).  Everything else (a traceback, a crash, a hang, too much memory, a partial
file) is a finding: its input and what the child said are kept, and the exit code is 1.  The same seed gives the same
films.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ppvsr.enhance.video  # noqa: F401 - once, and not in every child
from benchmarks.mutations import make_seeds, mutate
from ppvsr.cli.enhance import NAME
from ppvsr.cli.enhance import main as enhance

SECONDS, MEMORY = 20, 2 * 2**30  # for one film; a sound one needs a tenth of a second and 60 MB
OPTIONS: list[list[str]] = [
    [],
    [],
    ["--frames", "4"],
    ["--start", "0.2"],
    ["--container", "mkv"],
    ["--container", "png"],
]
ALWAYS = ["--process_order", "Bicubic", "--preset", "ultrafast", "--memory", "1G"]


@dataclass
class Case:
    """One broken film on its way through a child: which it is, where it lies, what it was asked, and since when."""

    number: int
    folder: Path
    film: Path
    options: list[str]
    began: float

    def run(self) -> int:
        """Start the child; return its id."""
        child = os.fork()
        if child:
            return child
        code = 99
        try:
            sys.stdout = sys.stderr = (self.folder / "said.txt").open("w", errors="backslashreplace", buffering=1)
            for stream in (1, 2):  # for libraries
                os.dup2(sys.stdout.fileno(), stream)
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
            signal.alarm(SECONDS)
            output = str(self.folder / "out")
            code = enhance(["--input", str(self.film), "--output", output, *ALWAYS, *self.options])
        finally:
            os._exit(code)

    def verdict(self, status: int) -> tuple[bool, str]:
        """Whether all went as it should, and what happened in a word or two."""
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGALRM:
            return False, "hangs"
        if code < 0:
            return False, f"crashes with {signal.Signals(-code).name}"
        said = (self.folder / "said.txt").read_text(errors="replace")
        lines = [line for line in said.splitlines() if line.startswith(f"{NAME}: ")]
        out = self.folder / "out"
        made = sorted(each.name for each in out.iterdir()) if out.exists() else []
        for word in ("Traceback", "unexpected", "out of memory"):
            if word in said:
                return False, f"says {word!r}"
        if code not in (0, 1, 2) or len(lines) != (code > 0):
            return False, f"exit code {code} with {len(lines)} lines"
        damaged = bool(lines) and "the source is damaged" in lines[0]
        if len(made) != (code == 0 or damaged) or any(name.startswith(".") for name in made):
            return False, f"exit code {code}, and {made} in the folder"
        return True, {0: "a film", 1: "a film and its damage" if damaged else "one line (1)", 2: "one line (2)"}[code]


def cases(films: int, seed: int, folder: Path) -> Iterator[Case]:
    """The broken films, written to `folder` one by one."""
    sound = folder / "seeds"
    sound.mkdir()
    seeds = make_seeds(sound)
    for number in range(films):
        rng = random.Random(f"{seed} {number}")  # each by itself, so that one of them can be made again
        name, data = mutate(seeds, rng)
        room = folder / str(number)
        room.mkdir()
        film = room / name
        film.write_bytes(data)
        yield Case(number, room, film, rng.choice(OPTIONS), time.monotonic())


@dataclass
class Summary:
    """What happened to all of them."""

    outcomes: Counter[str]
    findings: list[str]
    slowest: float = 0.0
    largest: int = 0


def fuzz(films: int, seed: int, *, jobs: int, keep: Path | None = None) -> Summary:
    """Break films and enlarge them, `jobs` at a time; findings are copied to `keep`."""
    summary = Summary(Counter(), [])
    running: dict[int, Case] = {}

    def finish_one() -> None:
        child, status, usage = os.wait4(-1, 0)
        case = running.pop(child)
        summary.slowest = max(summary.slowest, time.monotonic() - case.began)
        summary.largest = max(summary.largest, usage.ru_maxrss * 1024)
        right, what = case.verdict(status)
        summary.outcomes[what] += 1
        if not right:
            summary.findings.append(f"{seed}-{case.number} {case.film.name} {' '.join(case.options)}: {what}")
            if keep is not None:
                shutil.copytree(case.folder, keep / f"{seed}-{case.number}", dirs_exist_ok=True)
        shutil.rmtree(case.folder)

    with tempfile.TemporaryDirectory() as folder:
        for case in cases(films, seed, Path(folder)):
            running[case.run()] = case
            if len(running) >= jobs:
                finish_one()
        while running:
            finish_one()
    return summary


def main() -> int:
    """Run and print; 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    args = parser.parse_args()
    began = time.monotonic()
    summary = fuzz(args.films, args.seed, jobs=args.jobs, keep=args.keep)
    for what, count in summary.outcomes.most_common():
        print(f"{count:6d}  {what}")
    for line in summary.findings:
        print(f"finding {line}")
    print(
        f"{args.films} films in {time.monotonic() - began:.0f} s; the slowest took {summary.slowest:.1f} s, the largest"
        f" {summary.largest / 2**20:.0f} MB; {len(summary.findings)} findings"
    )
    return 1 if summary.findings else 0


if __name__ == "__main__":
    sys.exit(main())
