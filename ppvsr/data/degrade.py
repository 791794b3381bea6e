"""What a loss of quality is: parameters drawn once for a clip, then an effect on its frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from numpy.random import Generator

from ppvsr.data.effects import Pixels, unchanged
from ppvsr.errors import ConfigError

Effect = Callable[[Pixels, Generator], Pixels]  # noise comes from the generator, anew for every frame
Range = float | Sequence[float]
Limits = dict[str, tuple[float, float]]


class Operation(Protocol):
    """One loss of quality.

    margin: how far around a sample it looks, in pixels.  shrink: by what it divides height and width.
    temporal: whether a frame's result depends on its neighbours.
    """

    @property
    def margin(self) -> int:
        """In pixels."""

    @property
    def shrink(self) -> int:
        """1 or more."""

    @property
    def temporal(self) -> bool:
        """A fact of the class."""

    def draw(self, rng: Generator) -> Effect:
        """Choose the parameters for one clip."""


@dataclass(frozen=True, kw_only=True)
class Occasional(ABC):
    """What the drawn operations share: each is applied to a clip with probability `prob`."""

    limits: ClassVar[Limits]  # what the ranges must lie in
    shrink: ClassVar[int] = 1
    temporal: ClassVar[bool] = False

    prob: float = 1.0

    def __post_init__(self) -> None:
        for name, (least, most) in {**self.limits, "prob": (0, 1)}.items():
            value = getattr(self, name)
            pair = isinstance(value, (int, float)) or len(value) == 2
            if not pair or not least <= ends(value)[0] <= ends(value)[1] <= most:
                kind = "a number" if name.endswith("prob") else "a number or [lowest, highest]"
                raise ConfigError(f"{type(self).__name__}.{name}: expected {kind} in {least:g}..{most:g}, got {value}")

    @property
    def margin(self) -> int:
        """How far around a sample this looks, in pixels."""
        return 0

    def draw(self, rng: Generator) -> Effect:
        """Choose the parameters for one clip."""
        return self._effect(rng) if rng.random() < self.prob else unchanged

    @abstractmethod
    def _effect(self, rng: Generator) -> Effect:
        """Choose the parameters for one clip to which it is applied."""


def ends(value: Range) -> tuple[float, float]:
    """Lowest and highest of a range; one number is both."""
    low, high = (value, value) if isinstance(value, (int, float)) else value
    return float(low), float(high)


def between(value: Range, rng: Generator) -> float:
    """Draw from a range, evenly."""
    return float(rng.uniform(*ends(value)))
