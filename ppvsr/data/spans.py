"""How many frames a sample has, of which some are learned from: lengths that grow during a run, and warm frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppvsr.errors import ConfigError

WARM = 1  # the last of the numbers that the draw of the warm frames follows from, beside seed, step and micro-batch


@dataclass(frozen=True)
class Span:
    """What a sample is made of: frames in a row, of which some are learned from.

    learned: how many those are; None for as many as the data set gives by itself.  before, after: warm frames, which
    only bring the states of a long video.
    """

    learned: int | None = None
    before: int = 0
    after: int = 0

    def count(self, own: int) -> int:
        """Return the frames of a sample, given how many the data set gives by itself."""
        return self.before + (self.learned or own) + self.after

    def part(self, count: int) -> range | None:
        """Return those of `count` frames that are learned from; None for all."""
        return range(self.before, count - self.after) if self.before or self.after else None


OWN = Span()


@dataclass(frozen=True)
class Spans:
    """The span of every step.

    lengths: pairs of finished steps, and of frames that are learned from afterwards, such as [[0, 6], [2000, 12]]; none
    for what the data set says.  warm_frames: the most frames around them. How many there are, and how many of them
    come before, is drawn evenly for every micro-batch: the learned frames are anywhere in a long video, also at its
    ends.

    Raises ConfigError for numbers that cannot be.
    """

    lengths: Sequence[Sequence[int]] = ()
    warm_frames: int = 0

    def __post_init__(self) -> None:
        steps, frames = [each[0] for each in self.lengths if each], [each[-1] for each in self.lengths if each]
        if any(len(each) != 2 for each in self.lengths) or min(frames, default=1) < 1:
            raise ConfigError(f"lengths: expected pairs [steps, frames], with 1 frame or more, got {self.lengths}")
        if steps and (steps[0] != 0 or sorted(set(steps)) != steps):
            raise ConfigError(f"lengths: steps must begin with 0 and rise, got {steps}")
        if self.warm_frames < 0:
            raise ConfigError(f"warm_frames: expected 0 or more, got {self.warm_frames}")

    def longest(self) -> Span:
        """Return a span that no other is longer than."""
        return Span(max((frames for _, frames in self.lengths), default=None), self.warm_frames)

    def at(self, step: int, part: int, seed: int) -> Span:
        """Return the span of a micro-batch of a step, counted from 1; it follows from the arguments alone."""
        learned = next((frames for start, frames in reversed(self.lengths) if start < step), None)
        if not self.warm_frames:
            return Span(learned)
        rng = np.random.default_rng((seed, step, part, WARM))
        warm = int(rng.integers(self.warm_frames + 1))
        before = int(rng.integers(warm + 1))
        return Span(learned, before, warm - before)


def forth_and_back(start: int, count: int, length: int) -> list[int]:
    """Return `count` numbers from `start` on that turn back at either end of range(length), without saying it twice."""
    period = max(2 * (length - 1), 1)
    return [min(i % period, -i % period) for i in range(start, start + count)]
