"""Many films, one after the other: what is to be made, what is there already, and what became of each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ppvsr.assemble.inputs import Input
from ppvsr.data.films import SUFFIXES
from ppvsr.errors import UsageError
from ppvsr.video.names import stem_of, work_path

if TYPE_CHECKING:
    from ppvsr.assemble.film import Result

AUTO = ("mp4", "mkv", "mov")  # what `--container auto` may become
APART = "rename one of them, or give each an --output of its own, one after the other"
FAILED = 1


@dataclass(frozen=True)
class Job:
    """One film to be made. target: as `enhance_video` takes it.  finished: the result, when it is there already."""

    source: Path
    target: Path
    finished: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job. result, or error and its exit code, or neither when it was finished before.

    seconds: that it took.  interrupted: by Ctrl-C, so that no more jobs are begun.
    """

    job: Job
    seconds: float = 0.0
    result: Result | None = None
    error: str | None = None
    error_code: int = 0
    interrupted: bool = False

    @property
    def skipped(self) -> bool:
        """Whether there was nothing to do."""
        return self.result is None and self.error is None

    @property
    def planned(self) -> bool:
        """Whether it was only planned: no film is without frames."""
        return self.result is not None and not self.result.frames

    @property
    def code(self) -> int:
        """The exit code of a command that did only this: a damaged source counts as failed."""
        return FAILED if self.result and self.result.damage else self.error_code


class Listener(Protocol):
    """Somebody who wants to know how the jobs go on; a `Reporter` for each of them, too."""

    def say(self, line: str) -> None:
        """Hear a line about what will be done, or was done."""

    def progress(self, done: int, total: int | None) -> None:
        """Hear that so many frames, of so many if that is known, are finished."""

    def begin(self, job: Job, number: int, count: int) -> None:
        """Hear that the job with this number, from 1, of so many begins."""

    def end(self, outcome: Outcome) -> None:
        """Hear how the job that was begun has ended."""

    def summary(self, outcomes: Sequence[Outcome], count: int) -> None:
        """Hear how all that were begun, of so many, have ended."""


def make_jobs(
    inputs: Sequence[Input], output: Path, variants: Sequence[str], container: str, *, overwrite: bool = False
) -> list[Job]:
    """Say where every result goes, and which are there already (with `overwrite`, none).

    output: the folder for all.  variants, container: as for `enhance_video`.
    Raises UsageError when `output` is a film's name, when two results would have the same name, and when a result would
    have the name of a source.
    """
    if output.suffix.lower() in SUFFIXES and not output.is_dir():
        raise UsageError(f"{output}: is the name of one film, but {len(inputs)} are to be made; give a folder")
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is no folder, but {len(inputs)} films are to be made; choose another --output")
    originals = {_name(_without_ending(each.source)): each.source for each in inputs}
    sources: dict[str, Path] = {}
    jobs = []
    for each in inputs:
        target = output / each.folder / "_".join([stem_of(each.source), *variants])
        first = sources.setdefault(_name(target), each.source)
        if other := originals.get(_name(target)):
            raise UsageError(f"{each.source}: the result would be called like another input, {other}; {APART}")
        if first is each.source:
            jobs.append(Job(first, target.parent, None if overwrite else _finished(target, container)))
        elif not _same(first, each.source):  # the same film may be named twice
            raise UsageError(f"{first} and {each.source}: both results would be called {target}; {APART}")
    return jobs


def work_through(
    jobs: Sequence[Job],
    enhance: Callable[[Job], Result],
    explain: Callable[[BaseException], tuple[str, int]],
    listener: Listener,
) -> list[Outcome]:
    """Do one job after the other; those that fail do not stop the rest, but Ctrl-C does. Return what became of each.

    enhance: does one.  explain: makes a line for the user and an exit code of an exception.
    """
    outcomes: list[Outcome] = []
    for number, job in enumerate(jobs, 1):
        listener.begin(job, number, len(jobs))
        outcomes.append(Outcome(job) if job.finished else _do(job, enhance, explain))
        listener.end(outcomes[-1])
        if outcomes[-1].interrupted:
            break
    listener.summary(outcomes, len(jobs))
    return outcomes


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0 when all is well, the code of the last when it was interrupted, the code of all when it is one, or 1."""
    if outcomes and outcomes[-1].interrupted:
        return outcomes[-1].code
    codes = {outcome.code for outcome in outcomes}
    return codes.pop() if len(codes) == 1 else int(any(codes))


def _do(job: Job, enhance: Callable[[Job], Result], explain: Callable[[BaseException], tuple[str, int]]) -> Outcome:
    began = time.perf_counter()
    outcome = Outcome(job)
    try:
        outcome = replace(outcome, result=enhance(job))
    except (Exception, KeyboardInterrupt) as error:  # whatever it is, the next film may be better
        line, code = explain(error)
        outcome = replace(outcome, error=line, error_code=code, interrupted=isinstance(error, KeyboardInterrupt))
    return replace(outcome, seconds=time.perf_counter() - began)


def _finished(target: Path, container: str) -> Path | None:
    """Return a result that is there, whatever container was chosen for it: films appear only when they are complete.

    One that was being made again is not finished: that work goes on.
    """
    if container == "png":
        return target if target.is_dir() and not work_path(target).exists() else None
    paths = [target.with_name(f"{target.name}.{each}") for each in (AUTO if container == "auto" else (container,))]
    return next((path for path in paths if path.is_file() and not work_path(path).exists()), None)


def _without_ending(source: Path) -> Path:
    return source if source.is_dir() else source.parent / source.stem


def _name(path: Path) -> str:
    return os.path.normcase(path.resolve())


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()
