"""Learning rates as functions of the number of finished steps, so that resuming needs no state.

`schedule(0)` is the rate of the first step. Constructors raise ValueError, naming the option, for numbers that make no
schedule.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise


@dataclass(frozen=True)
class CosineAnnealingRestartLR:
    """Half a cosine from the base rate down to `eta_min`, once in each period.

    periods: lengths in steps.  restart_weights: one for each period; its cosine starts at about weight * learning_rate.
    The step at which a period ends still belongs to it, so the rate there is `eta_min`; past the last it stays so.
    by_epoch: the periods count epochs of `iters_per_epoch` steps instead; the rate still changes with every step.
    """

    learning_rate: float
    periods: Sequence[int]
    restart_weights: Sequence[float] = (1,)
    eta_min: float = 0.0
    by_epoch: bool = False
    iters_per_epoch: int = 1

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_positive("periods", *self.periods)
        _check_positive("restart_weights", *self.restart_weights)
        _check_positive("iters_per_epoch", self.iters_per_epoch)
        if len(self.periods) != len(self.restart_weights):
            raise ValueError(
                f"restart_weights: expected one for each of the {len(self.periods)} periods, "
                f"got {len(self.restart_weights)}"
            )
        if not 0 <= self.eta_min <= self.learning_rate:
            raise ValueError(f"eta_min: expected 0 to learning_rate ({self.learning_rate}), got {self.eta_min!r}")

    def __call__(self, step: int) -> float:
        """Return the rate after `step` finished steps."""
        time = step / self.iters_per_epoch if self.by_epoch else step
        ends = list(accumulate(self.periods))
        cycle = bisect_left(ends, time)
        if cycle == len(ends):
            return self.eta_min
        done = (time - ends[cycle]) / self.periods[cycle] + 1
        height = self.restart_weights[cycle] * (self.learning_rate - self.eta_min)
        return self.eta_min + height * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class MultiStepDecay:
    """The base rate, times `gamma` from each of the milestones (steps) on."""

    learning_rate: float
    milestones: Sequence[int]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_positive("milestones", *self.milestones)
        if any(second <= first for first, second in pairwise(self.milestones)):
            raise ValueError(f"milestones: expected steps in rising order, got {list(self.milestones)}")
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma: expected a number above 0 and up to 1, got {self.gamma!r}")

    def __call__(self, step: int) -> float:
        """Return the rate after `step` finished steps."""
        return self.learning_rate * self.gamma ** bisect_right(self.milestones, step)


@dataclass(frozen=True)
class LinearDecay:
    """The base rate up to `start_epoch`, then in equal stairs, one an epoch, to 0 after `decay_epochs` + 1 of them.

    iters_per_epoch: steps of an epoch.
    """

    learning_rate: float
    start_epoch: int
    decay_epochs: int
    iters_per_epoch: int

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_positive("decay_epochs", self.decay_epochs)
        _check_positive("iters_per_epoch", self.iters_per_epoch)
        if self.start_epoch < 0:
            raise ValueError(f"start_epoch: expected 0 or more, got {self.start_epoch!r}")

    def __call__(self, step: int) -> float:
        """Return the rate after `step` finished steps."""
        late = max(0, step // self.iters_per_epoch + 1 - self.start_epoch)
        return self.learning_rate * max(0.0, 1 - late / (self.decay_epochs + 1))


def _check_positive(option: str, *values: float) -> None:
    if not values:
        raise ValueError(f"{option}: expected at least one number")
    for value in values:
        if not 0 < value < math.inf:
            raise ValueError(f"{option}: expected numbers above 0, got {value!r}")
