"""Who hears how the work on a film goes on."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Somebody who wants to know how the work goes on."""

    def say(self, line: str) -> None:
        """Hear a line about what will be done, or was done."""

    def progress(self, done: int, total: int | None) -> None:
        """Hear that so many frames, of so many if that is known, are finished."""


class Silence:
    """A reporter that tells nobody."""

    def say(self, line: str) -> None:
        """Ignore the line."""

    def progress(self, done: int, total: int | None) -> None:
        """Ignore the number."""
