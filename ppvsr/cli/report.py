"""Who hears how the work on one or many videos goes on: a terminal, a log, a program."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from ppvsr.cli.common import Console
from ppvsr.enhance.batch import Job, Listener, Outcome
from ppvsr.errors import UsageError
from ppvsr.video.frames import AGAIN, BICUBIC

# ---- What became of many films, as a table and in numbers.

HEAD = ("file", "frames", "seconds", "result")


def tally(outcomes: Sequence[Outcome], count: int) -> dict[str, int]:
    """Count what became of `count` films: done (of these damaged), planned, skipped, failed, and left by Ctrl-C."""
    interrupted = sum(each.interrupted for each in outcomes)
    return {
        "done": sum(each.result is not None and not each.planned for each in outcomes),
        "damaged": sum(each.result is not None and each.result.damage is not None for each in outcomes),
        "planned": sum(each.planned for each in outcomes),
        "skipped": sum(each.skipped for each in outcomes),
        "failed": sum(each.error is not None for each in outcomes) - interrupted,
        "left": count - len(outcomes) + interrupted,
    }


def table(outcomes: Sequence[Outcome], count: int) -> Iterator[str]:
    """Yield a line for each film that was begun: file, frames, seconds, result or error; and one for all."""
    rows = [HEAD, *map(_row, outcomes)]
    file, frames, seconds = (max(_width(row[column]) for row in rows) for column in range(3))
    for row in rows:
        yield f"{row[0]}{' ' * (file - _width(row[0]))}  {row[1]:>{frames}}  {row[2]:>{seconds}}  {row[3]}"
    numbers = [f"{number} {what}" for what, number in tally(outcomes, count).items() if number]
    yield f"{count} films: {', '.join(numbers)}"


def one_line(text: str) -> str:
    """Return a text in which control characters are spelt out: names of files may hold any."""
    return "".join(each if each.isprintable() or "\ud800" <= each <= "\udfff" else repr(each)[1:-1] for each in text)


def _row(outcome: Outcome) -> tuple[str, str, str, str]:
    name = one_line(str(outcome.job.source))
    if outcome.planned and outcome.result is not None:
        return name, "", "", one_line(f"planned: {outcome.result.path}")
    if outcome.result is not None:
        damage = f" (damaged: {outcome.result.damage})" if outcome.result.damage else ""
        what = one_line(f"{outcome.result.path}{damage}")
        return name, str(outcome.result.frames), f"{outcome.seconds:.1f}", what
    if outcome.error is None:
        return name, "", "", one_line(f"skipped: {outcome.job.finished} exists")
    message = outcome.error.removeprefix(f"{outcome.job.source}: ")
    return name, "", f"{outcome.seconds:.1f}", one_line(message if outcome.interrupted else f"failed: {message}")


def _width(text: str) -> int:
    """Return how many columns a terminal needs for a text."""
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


# ---- Who hears how the work on one or many films goes on: a terminal, a log, a program.

VERSION = 1  # of the events for programs; a field or an event more does not change it
INTERVAL = 0.5  # seconds between two events of progress
PLAN = "plan: "  # how the lines begin that say how the windows were chosen


class Audience(Listener, Protocol):
    """A listener that hears of requests that cannot be served, too."""

    def failed(self, message: str, code: int) -> None:
        """Hear why nothing was begun, or why the whole command failed; `code` is its exit code."""


class Lines:
    """Tells everything in lines. say, complain: what takes them; complaints are errors and damage."""

    def __init__(self, say: Callable[[str], Any], complain: Callable[[str], Any]) -> None:
        self._say = say
        self._complain = complain

    def say(self, line: str) -> None:
        """Pass the line on."""
        self._say(one_line(line))

    def progress(self, done: int, total: int | None) -> None:
        """Say nothing; see `Terminal`."""

    def begin(self, job: Job, number: int, count: int) -> None:
        """Say which of many films begins."""
        if count > 1:
            self.say(f"{number} of {count}: {job.source}")

    def end(self, outcome: Outcome) -> None:
        """Say what the film itself did not: that it was skipped, failed or is damaged."""
        if outcome.error is not None:
            self.failed(outcome.error, outcome.code)
        elif outcome.skipped:
            self.say(f"{outcome.job.finished}: exists, so {outcome.job.source} is skipped (--overwrite makes it again)")
        elif outcome.result is not None:
            if outcome.result.damage:
                self.failed(f"{outcome.job.source}: the source is damaged: {outcome.result.damage}", outcome.code)
            if outcome.result.remark:
                self._complain(one_line(f"{outcome.job.source}: {outcome.result.remark}"))

    def failed(self, message: str, code: int) -> None:
        """Complain."""
        self._complain(one_line(message))

    def summary(self, outcomes: Sequence[Outcome], count: int) -> None:
        """Give a table, if there were several films."""
        if count > 1:
            for line in table(outcomes, count):
                self._say(line)


class Terminal(Lines):
    """Lines on a console, and its progress bar, one for each film."""

    def __init__(self, console: Console, complain: Callable[[str], Any]) -> None:
        super().__init__(console.say, complain)
        self._console = console

    def progress(self, done: int, total: int | None) -> None:
        """Move the bar."""
        self._console.progress(done, total)

    def end(self, outcome: Outcome) -> None:
        """Leave the bar, then say what there is to say."""
        self._console.finish()
        super().end(outcome)


class Log(Lines, AbstractContextManager["Log"]):
    """Appends every line, with the time, to a file, at once. Raises UsageError for one that cannot be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(self._write, lambda line: self._write(f"error: {line}"))
        try:
            if path.is_file():
                with path.open("rb") as before:
                    if b"\0" in before.read(1024):
                        raise UsageError(f"--log {path}: exists and is no text; choose another name")
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        except OSError as error:
            raise UsageError(f"--log {path}: cannot be written: {error.strerror}; choose another name") from error

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a full disk there must not cost the film
            self._file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()


class Events:
    """Tells everything to a program: one JSON object a line, see docs/files.md.

    stream: None when nobody listens.  quiet: without lines, plans and progress.  clock: seconds.
    """

    def __init__(
        self, stream: TextIO | None, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._clock = clock
        self._first: dict[str, Any] = {"version": VERSION}
        self._told = -INTERVAL  # when progress was told last
        self._pending: dict[str, Any] | None = None  # progress that was not told

    def say(self, line: str) -> None:
        """Tell a line for people, or a plan."""
        if not self._quiet:
            kind = "plan" if line.startswith(PLAN) else "line"
            self._tell(kind, text=line.removeprefix(PLAN))

    def progress(self, done: int, total: int | None) -> None:
        """Tell it now and then, and when everything is done."""
        if self._quiet:
            return
        self._pending = {"done": done, "total": total}
        if done == total or self._clock() - self._told >= INTERVAL:
            self._tell_progress()

    def begin(self, job: Job, number: int, count: int) -> None:
        """Tell which film begins."""
        self._told = -INTERVAL
        self._tell("start", input=str(job.source), number=number, count=count)

    def end(self, outcome: Outcome) -> None:
        """Tell what became of the film, and the last progress before."""
        self._tell_progress()
        name, result = str(outcome.job.source), outcome.result
        if outcome.error is not None:
            self._tell("error", input=name, message=outcome.error, code=outcome.code)
        elif outcome.skipped:
            self._tell("skipped", input=name, output=str(outcome.job.finished))
        elif result is not None and outcome.planned:
            self._tell("planned", input=name, output=str(result.path))
        elif result is not None:
            facts = {"frames": result.frames, "seconds": round(outcome.seconds, 3), "damage": result.damage}
            facts["computed_again"], facts["bicubic"] = (result.mended.get(kind, 0) for kind in (AGAIN, BICUBIC))
            self._tell("done", input=name, output=str(result.path), **facts)

    def failed(self, message: str, code: int) -> None:
        """Tell an error that belongs to no film."""
        self._tell("error", input=None, message=message, code=code)

    def summary(self, outcomes: Sequence[Outcome], count: int) -> None:
        """Tell the numbers."""
        self._tell("summary", **tally(outcomes, count))

    def _tell_progress(self) -> None:
        if self._pending is not None:
            self._told = self._clock()
            self._tell("progress", **self._pending)
            self._pending = None

    def _tell(self, event: str, **facts: Any) -> None:
        if self._stream is not None:
            with suppress(OSError):  # a closed pipe must not cost the film
                print(json.dumps({"event": event, **self._first, **facts}), file=self._stream, flush=True)
        self._first = {}


class Everybody:
    """Passes everything on to several. check: called at every step; what it raises ends the work."""

    def __init__(self, audiences: Sequence[Audience], check: Callable[[], Any]) -> None:
        self._audiences = audiences
        self._check = check

    def say(self, line: str) -> None:
        """Pass it on."""
        for each in self._audiences:
            each.say(line)

    def progress(self, done: int, total: int | None) -> None:
        """Pass it on."""
        self._check()
        for each in self._audiences:
            each.progress(done, total)

    def begin(self, job: Job, number: int, count: int) -> None:
        """Pass it on."""
        self._check()
        for each in self._audiences:
            each.begin(job, number, count)

    def end(self, outcome: Outcome) -> None:
        """Pass it on."""
        for each in self._audiences:
            each.end(outcome)

    def failed(self, message: str, code: int) -> None:
        """Pass it on."""
        for each in self._audiences:
            each.failed(message, code)

    def summary(self, outcomes: Sequence[Outcome], count: int) -> None:
        """Pass it on."""
        for each in self._audiences:
            each.summary(outcomes, count)
