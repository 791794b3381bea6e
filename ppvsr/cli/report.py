"""What became of many films, as a table and in numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from ppvsr.assemble.jobs import Outcome

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
