"""Whether ppvsr can do its work on this machine, and what to do where it cannot. Needs neither Paddle nor PyAV."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ppvsr.assemble import doctor_cache, doctor_machine, doctor_packages, doctor_weights
from ppvsr.assemble.doctor_child import NAMES, inspect
from ppvsr.assemble.doctor_finding import PROBLEM, WARNING, Finding
from ppvsr.enhance.memory import format_size
from ppvsr.runtime.upkeep import clean

Check = Callable[[], Iterable[Finding]]
BUILDING = 3600  # seconds
PATIENCE = 120  # seconds after which a check hangs; a self-test takes about five


@dataclass(frozen=True)
class Report:
    """What all checks found."""

    findings: tuple[Finding, ...]

    def count(self, level: str) -> int:
        """Return how many findings have this level."""
        return sum(each.level == level for each in self.findings)

    @property
    def works(self) -> bool:
        """Whether films can be enhanced."""
        return not self.count(PROBLEM)

    def verdict(self) -> str:
        """Return the last line."""
        warnings = self.count(WARNING)
        more = f"{warnings} warning{'s' * (warnings != 1)}"
        if self.works:
            return f"ppvsr works here, {more}" if warnings else "ppvsr works here"
        first = next(each for each in self.findings if each.level == PROBLEM)
        return f"{self.count(PROBLEM)} of these make ppvsr fail, {more}; begin with: {first.name}"

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {"works": self.works, "findings": [asdict(each) for each in self.findings]}


def build(hear: Callable[[Finding], Any], say: Callable[[str], Any]) -> Iterator[Finding]:
    """Compile what would be compiled at first use; `hear` is told each finding, `say` hears how it goes on."""
    for finding in _guarded(functools.partial(inspect, "build", patience=BUILDING, say=say)):
        hear(finding)
        yield finding


def tidy_up(days: int) -> str:
    """Remove what was compiled and not used for so many days; return a line for people. Raises OSError."""
    removed = clean(days)
    return f"removed {len(removed)} from the cache, {format_size(sum(each.size for each in removed))}"


def examine(
    output: Path,
    hear: Callable[[Finding], Any] = lambda finding: None,
    *,
    self_test: bool = True,
    before: Iterable[Finding] = (),
) -> Report:
    """Look at everything; `hear` is told each finding when it is there.

    output: where films would be written.  self_test: also run a tiny film and a tiny network, some five seconds.
    before: what was found already, for the report.
    Whatever needs Paddle, PyAV or OpenCV happens in processes of its own, since that can crash; where Paddle does not
    work, what stands on it is left out. Raises nothing.
    """
    findings = list(before)
    for check, on_paddle in _checks(output, self_test):
        if on_paddle and any(each.name == NAMES["paddle"] and each.level == PROBLEM for each in findings):
            continue
        for finding in _guarded(check):
            findings.append(finding)
            hear(finding)
    return Report(tuple(findings))


def _checks(output: Path, self_test: bool) -> Iterator[tuple[Check, bool]]:
    """Yield the checks in the order in which a reader wants to know, and whether they stand on Paddle."""
    inside = functools.partial(functools.partial, inspect, patience=PATIENCE)
    yield functools.partial(doctor_machine.machine, output), False
    yield doctor_packages.packages, False
    yield doctor_packages.combinations, False
    yield inside("paddle"), False
    yield inside("films"), False
    yield inside("backends"), True
    yield doctor_cache.compiled_things, False
    yield doctor_weights.bundled_weights, False
    if self_test:
        yield inside("test_film"), False
        yield inside("test_network"), True


def _guarded(check: Check) -> Iterator[Finding]:
    """Yield what a check finds; that it could not be done is a finding, too."""
    try:
        yield from check()
    except Exception as error:  # a doctor does not faint
        name = getattr(getattr(check, "func", check), "__name__", "check")
        yield Finding(name, WARNING, f"could not be looked at: {type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no message").splitlines()[0]
