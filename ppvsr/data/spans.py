"""How many frames a sample has, of which some are learned from: lengths that grow during a run, and warm frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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

    lengths: finished steps -> frames that are learned from afterwards, such as {0: 6, 2000: 12}; none for what the data
    set says.  warm_frames: the most frames around them. How many, and how many of them come before, is drawn evenly for
    every micro-batch, so that the learned frames are anywhere in a long video, also at its ends.

    Raises ConfigError for numbers that cannot be.
    """

    lengths: Mapping[int, int] = field(default_factory=dict)
    warm_frames: int = 0

    def __post_init__(self) -> None:
        pairs = [number for pair in self.lengths.items() for number in pair]
        if not all(isinstance(each, int) and not isinstance(each, bool) for each in pairs):
            raise ConfigError(f"lengths: expected whole numbers, steps: frames, got {dict(self.lengths)}")
        if self.lengths and (min(self.lengths) != 0 or min(self.lengths.values()) < 1):
            raise ConfigError(f"lengths: must begin with step 0, and hold 1 frame or more, got {dict(self.lengths)}")
        if self.warm_frames < 0:
            raise ConfigError(f"warm_frames: expected 0 or more, got {self.warm_frames}")

    def longest(self) -> Span:
        """Return a span that no other is longer than."""
        return Span(max(self.lengths.values(), default=None), self.warm_frames)

    def at(self, step: int, part: int, seed: int) -> Span:
        """Return the span of a micro-batch of a step, counted from 1; it follows from the arguments alone."""
        begun = [start for start in self.lengths if start < step]
        learned = self.lengths[max(begun)] if begun else None
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
