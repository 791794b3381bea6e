"""Every figure that ppvsr's speed is to reach, measured by one command: required, aim, measured, met.

    python -m benchmarks.targets [--quick] [--threads 2] [--only WORD ...] [--json FILE]

- Networks: the whole clip, compiled against the same network on Paddle's own operators in dygraph, which is what
  PaddleGAN runs. Two processes take turns, ours, theirs, ours; a ratio is theirs to the mean of ours around it. Weights
  are random: speed does not depend on them. The first run of ours, which loads programs, is not counted.
- Deformable convolutions: benchmarks/deform.py, turn by turn.
- Convolutions: benchmarks/time_spent.py.
- Memory: the largest resident size of a process that enhances a film from file to file.
- Start: from the start of the process to the first step of the network, caches warm, the median of three.

Takes 15 minutes on two cores, with --quick (fewer frames and rounds) about two. On a busy machine only ratios hold, and
`by CPU`, the same for the processors' own time, holds better.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed import REFERENCE, Worker
from benchmarks.time_spent import measure
from ppvsr.bench import about

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Row:
    """A figure. least: whether more is better.  by_cpu: the same figure from the processors' own time."""

    what: str
    required: float
    aim: float | None
    measured: float
    unit: str
    least: bool = True
    by_cpu: float | None = None

    @property
    def met(self) -> str:
        """Say what was reached."""
        reached = [
            name
            for name, bar in (("required", self.required), ("aim", self.aim))
            if bar is not None and (self.measured >= bar if self.least else self.measured <= bar)
        ]
        return "aim" if "aim" in reached else "yes" if "required" in reached else "no"

    def __str__(self) -> str:
        bars = [("-" if bar is None else self._write(bar)) for bar in (self.required, self.aim, self.measured)]
        by_cpu = "-" if self.by_cpu is None else self._write(self.by_cpu)
        return f"{self.what:58} {bars[0]:>9} {bars[1]:>9} {bars[2]:>9} {by_cpu:>9} {self.met:>4}"

    def _write(self, value: float) -> str:
        if self.unit == "%":
            return f"{100 * value:.1f} %"
        return f"{value:.1e}" if value < 0.01 else f"{value:.1f}{self.unit}"


def networks(threads: int, quick: bool) -> Iterator[Row]:
    """PP-MSVSR and BasicVSR against dygraph, and the largest difference of both."""
    cases = (
        ("PPMSVSR", "320x180", 2 if quick else 20, 1, 8.0, 14.0),
        ("BasicVSR", "160x90", 2 if quick else 10, 1 if quick else 2, 4.5, 5.7),
    )
    differences = []
    for name, size, frames, rounds, required, aim in cases:
        ratio, by_cpu, difference = against_dygraph(name, size, frames, rounds, threads)
        differences.append(difference)
        yield Row(f"{name} {size}, {frames} frames, against dygraph", required, aim, ratio, "x", by_cpu=by_cpu)
    yield Row("largest difference to dygraph, of pictures in [0, 1]", 2e-4, None, max(differences), "", least=False)


def against_dygraph(name: str, size: str, frames: int, rounds: int, threads: int) -> tuple[float, float, float]:
    """Return how many times faster compiled is, by the clock and by the processors' time, and the difference."""
    with tempfile.TemporaryDirectory() as folder:
        common = {"name": name, "size": size, "frames": frames, "threads": threads, "folder": folder}
        ours, theirs = (Worker({**common, "backend": backend}) for backend in ("compiled", REFERENCE))
        used = ours.hear()["used"]
        if used != "compiled":
            raise SystemExit(f"{name} runs on {used}")
        theirs.hear()
        turns = [ours.ask("run")]
        ratios = []
        for _ in range(rounds):
            slow = theirs.ask("run")
            turns.append(ours.ask("run"))
            fast = {key: statistics.mean(turn[key] for turn in turns[-2:]) for key in slow}
            ratios.append({key: slow[key] / fast[key] for key in slow})
        for worker in (ours, theirs):
            worker.ask("end")
        a, b = (np.load(Path(folder) / f"{backend}.npy") for backend in ("compiled", REFERENCE))
    by_clock, by_cpu = (statistics.median(each[key] for each in ratios) for key in ("seconds", "cpu_seconds"))
    return by_clock, by_cpu, float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


def deform(threads: int, quick: bool) -> Iterator[Row]:
    """The deformable convolution, forward and backward."""
    for size in ("160x90", "320x180"):
        for groups in (4, 8):
            result = job(threads, "deform", size, str(groups), "2" if quick else "5")
            for what, required, aim in (("forward", 8.0, 20.0), ("backward", 4.0, 8.0)):
                yield Row(f"deformable convolution {what}, {size}, {groups} groups", required, aim, result[what], "x")


def convolutions(threads: int, quick: bool, profiles: list[dict[str, Any]]) -> Iterator[Row]:
    """The convolutions' share of what the machine can do."""
    for name, size in (("PPMSVSR", "320x180"), ("BasicVSR", "160x90")):
        profiles.append(measure(name, size, 2 if quick else 5, threads))
        yield Row(f"convolutions of {name} {size}, of the matrix product rate", 0.5, 0.75, profiles[-1]["share"], "%")


def memory(threads: int, quick: bool) -> Iterator[Row]:
    """The peak of a long film against that of a short one."""
    short, long = 100, 200 if quick else 1000
    peaks = [job(threads, "peak", str(frames), "96", "64")["bytes"] for frames in (short, long)]
    growth = peaks[1] / peaks[0] - 1
    text = f"peak memory, {long} frames against {short}, 96x64 ({peaks[0] / 2**20:.0f} MB)"
    yield Row(text, 0.05, None, growth, "%", least=False)


def start(threads: int, quick: bool) -> Iterator[Row]:
    """The time until the first frame is in the network."""
    results = [job(threads, "start", str(time.time())) for _ in range(2 if quick else 4)][1:]  # the first warms caches
    seconds, cpu = (statistics.median(each[key] for each in results) for key in ("seconds", "cpu_seconds"))
    yield Row("start until the first frame is in the network", 5.0, 3.0, seconds, " s", least=False, by_cpu=cpu)


def job(threads: int, *words: str) -> dict[str, float]:
    """Let a process of its own do a job of benchmarks/target_jobs.py."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "GLOG_minloglevel": "2", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "benchmarks.target_jobs", *words]
    child = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if child.returncode:
        raise SystemExit(f"{' '.join(words)}: ended with {child.returncode}: {child.stderr.strip()[-500:]}")
    return json.loads(child.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer frames and rounds")
    parser.add_argument("--threads", type=int, default=about()["threads"])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="networks, deform, convolutions, memory, start")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    profiles: list[dict[str, Any]] = []
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "start": lambda: start(args.threads, args.quick),
        "deform": lambda: deform(args.threads, args.quick),
        "convolutions": lambda: convolutions(args.threads, args.quick, profiles),
        "memory": lambda: memory(args.threads, args.quick),
        "networks": lambda: networks(args.threads, args.quick),
    }
    if unknown := set(args.only or ()) - parts.keys():
        parser.error(f"--only {' '.join(unknown)}: there are {', '.join(parts)}")
    machine = {**about(), "threads": args.threads, "quick": args.quick, "date": time.strftime("%Y-%m-%d")}
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"{'what':58} {'required':>9} {'aim':>9} {'measured':>9} {'by CPU':>9} {'met':>4}", flush=True)
    rows = []
    for name in args.only or parts:
        for row in parts[name]():
            rows.append({**asdict(row), "met": row.met})
            print(row, flush=True)
    if args.json:
        args.json.write_text(json.dumps({**machine, "rows": rows, "profiles": profiles}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
