"""One line of what the doctor says."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, PROBLEM = "ok", "warning", "problem"
LEVELS = (OK, WARNING, PROBLEM)


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is as it should be, what was seen, and what to do about it.

    level: `problem` is what makes films fail; `warning` costs speed or a part of what ppvsr can do.
    """

    name: str
    level: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return " ".join(f"{self.level:8} {self.name + ':':22} {self.text}{advice}".splitlines())
