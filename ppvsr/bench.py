"""How many frames a second every network makes on this machine, on every backend. Needs no Paddle itself."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from ppvsr import __version__
from ppvsr.errors import PpvsrError
from ppvsr.system.files import written_whole
from ppvsr.system.machine import available_threads, format_size, processor_name
from ppvsr.system.process import command, environment
from ppvsr.system.progress import Reporter

WORKER = "ppvsr.bench_worker"
REFERENCE = "dygraph"  # what ratios are to
COLUMNS = (
    ("variant", "<16"),
    ("weights", "<7"),
    ("size", ">9"),
    ("threads", ">7"),
    ("backend", "<9"),
    ("s/frame", ">8.3f"),
    ("fps", ">7.2f"),
    ("ratio", ">6.1f"),
    ("by CPU", ">6.1f"),
    ("peak", ">8"),
)


@dataclass(frozen=True)
class Case:
    """What is measured: a variant, frames of `width` x `height`, so many of them, a backend, and threads."""

    variant: str
    width: int
    height: int
    frames: int
    backend: str
    threads: int


def bench(
    variants: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    *,
    frames: int,
    backends: Sequence[str],
    threads: Sequence[int],
    repeat: int,
    reporter: Reporter,
    hear: Callable[[dict[str, Any]], Any],
) -> list[dict[str, Any]]:
    """Measure every combination; return a row for each, which `hear` is told as soon as it is there.

    sizes: (width, height).  repeat: rounds; the backends of a size take turns in them, so that ratios to `dygraph` hold
    on a busy machine, too. `ratio` is the median of the rounds, `by CPU` the same for the processors' own time.
    The first run of every network, which loads programs and tunes them, is not counted.
    Raises PpvsrError where a network cannot run.
    """
    groups = list(itertools.product(variants, sizes, threads))
    total, done = len(groups) * len(backends) * repeat * frames, 0
    rows = []
    reporter.progress(0, total)
    for variant, (width, height), count in groups:
        cases = [Case(variant, width, height, frames, backend, count) for backend in backends]

        def step() -> None:
            nonlocal done
            done += frames
            reporter.progress(done, total)

        for row in _compare(cases, repeat, reporter.say, step):
            rows.append(row)
            hear(row)
    return rows


def about() -> dict[str, Any]:
    """Return what the figures were measured with: machine and versions."""
    versions = {name: _version(name) for name in ("paddlepaddle", "paddlepaddle-gpu", "numpy")}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": processor_name(),
        "threads": available_threads(),
        "load": load,
        "system": platform.platform(),
        "python": platform.python_version(),
        "ppvsr": __version__,
        **{name: version for name, version in versions.items() if version},
    }


def write_json(path: Path, machine: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Write what was measured, and with what. Raises OSError."""
    with written_whole(path) as unfinished:
        unfinished.write_text(json.dumps({**machine, "rows": list(rows)}, indent=1) + "\n", encoding="utf-8")


def heading() -> str:
    """Return the titles of the table's columns."""
    return " ".join(format(name, width.split(".")[0].rstrip("f")) for name, width in COLUMNS)


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    used = row["used"] if row["used"] == row["backend"] else f"{row['backend']}: {row['used']}"
    cells = {
        "variant": row["variant"],
        "weights": row["weights"],
        "size": f"{row['width']}x{row['height']}",
        "threads": row["threads"],
        "backend": used,
        "s/frame": row["seconds_per_frame"],
        "fps": row["fps"],
        "ratio": row.get("ratio"),
        "by CPU": row.get("cpu_ratio"),
        "peak": format_size(row["peak"]) if row["peak"] else None,
    }
    return " ".join(
        format(cells[name], form) if cells[name] is not None else format("-", form.split(".")[0].rstrip("f"))
        for name, form in COLUMNS
    )


def _compare(
    cases: Sequence[Case], repeat: int, say: Callable[[str], Any], step: Callable[[], Any]
) -> Iterator[dict[str, Any]]:
    """Let the cases take turns, and yield a row for each."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(case, say)) for case in cases]
        ready = [worker.hear() for worker in workers]
        rounds: list[list[dict[str, float]]] = [[] for _ in cases]
        for _ in range(repeat):
            for worker, times in zip(workers, rounds, strict=True):
                times.append(worker.ask("run"))
                step()
        peaks = [worker.ask("end")["peak"] for worker in workers]
    reference = next((times for case, times in zip(cases, rounds, strict=True) if case.backend == REFERENCE), None)
    for case, facts, times, peak in zip(cases, ready, rounds, peaks, strict=True):
        yield {
            **asdict(case),
            **facts,
            **_figures(case, times, reference),
            "peak": peak,
            "rounds": times,
        }


def _figures(case: Case, times: list[dict[str, float]], reference: list[dict[str, float]] | None) -> dict[str, float]:
    each = statistics.median(time["seconds"] for time in times) / case.frames
    figures = {"seconds_per_frame": each, "fps": 1 / each}
    if reference is not None:
        for name, kind in (("ratio", "seconds"), ("cpu_ratio", "cpu_seconds")):
            figures[name] = statistics.median(a[kind] / b[kind] for a, b in zip(reference, times, strict=True))
    return figures


class Worker(AbstractContextManager["Worker"]):
    """A process that runs one case."""

    def __init__(self, case: Case, say: Callable[[str], Any]) -> None:
        self._case, self._say = case, say

    def __enter__(self) -> Worker:
        self._process = subprocess.Popen(
            command(WORKER, json.dumps(asdict(self._case))),
            env=environment(OMP_NUM_THREADS=str(self._case.threads)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def hear(self) -> dict[str, Any]:
        """Return what it answers next; what it only says is passed on. Raises PpvsrError when it ends instead."""
        assert self._process.stdout
        for text in self._process.stdout:
            try:
                message = json.loads(text)
            except ValueError:  # a library spoke
                continue
            if "say" in message:
                self._say(f"  {self._name()}: {message['say']}")
            elif "error" in message:
                raise PpvsrError(f"{self._name()}: {message['error']}")
            else:
                return message
        raise PpvsrError(f"{self._name()}: the process ended with {self._process.wait()}; ppvsr-doctor may know why")

    def ask(self, word: str) -> dict[str, Any]:
        """Say a word and return the answer. Raises PpvsrError."""
        assert self._process.stdin
        with contextlib.suppress(OSError):  # it is gone
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
        return self.hear()

    def _name(self) -> str:
        return f"{self._case.variant} {self._case.width}x{self._case.height} {self._case.backend}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
