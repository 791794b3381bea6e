"""Low resolution made from high resolution when it is read, and only as much of it as is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ppvsr.data.degrade import BI
from ppvsr.data.effects import Pixels, fitted, to_bytes
from ppvsr.data.frames import Frames, Window
from ppvsr.data.operation import Effect, Operation
from ppvsr.errors import ConfigError

GROUP = 15  # frames that a codec sees at once in evaluation: half a second, as between key frames of a stream


@dataclass(frozen=True)
class Degradation:
    """A list of operations that makes frames `scale` times smaller.

    BI and BD count from the size of the original: where Resize changed it, the frames are brought back first, and at
    the end they get the size they should have, both by MATLAB's bicubic. A list without BI and BD ends with BI.
    Raises ConfigError when BI and BD do not make up `scale`.
    """

    operations: Sequence[Operation]
    scale: int

    def __post_init__(self) -> None:
        found = prod(each.shrink for each in self.operations)
        if found == 1 and self.scale > 1:
            object.__setattr__(self, "operations", (*self.operations, BI(scale=self.scale)))
        elif found != self.scale:
            raise ConfigError(f"degradation: BI and BD make the frames {found} times smaller, scale is {self.scale}")

    @property
    def temporal(self) -> bool:
        """Whether frames depend on their neighbours."""
        return any(each.temporal for each in self.operations)

    @property
    def margin(self) -> int:
        """How far around a window to read the original, in its pixels; a multiple of `scale`."""
        total, size = 0, 1
        for each in self.operations:
            total, size = total + each.margin * size, size * each.shrink
        return -(-total // self.scale) * self.scale

    def draw(self, rng: Generator) -> Effect:
        """Choose the parameters for one clip. The effect takes (t, h, w, 3) and returns uint8 (t, h/scale, w/scale, 3).

        h and w must be multiples of `scale`.
        """
        drawn = [(each.shrink, each.draw(rng)) for each in self.operations]

        def effect(frames: Pixels, rng: Generator) -> Pixels:
            height, width = frames.shape[1:3]
            for shrink, change in drawn:
                if shrink > 1:
                    frames = fitted(frames, height, width)
                    height, width = height // shrink, width // shrink
                frames = change(frames, rng)
            return to_bytes(fitted(frames, height, width))

        return effect


@dataclass(frozen=True)
class DegradedFrames:
    """What an effect makes of `gt`; see `Frames`. A window costs that window, with a margin, and no more.

    gt: height and width are multiples of `scale`.  margin: in its pixels, a multiple of `scale`.
    seed: of the noise.  group: so many frames of `gt` are degraded together and have their own noise; asking for one
    frame costs the group, and the order of frames does not matter. None: all frames that `take` left, as they stand.
    """

    gt: Frames
    effect: Effect
    scale: int
    margin: int
    seed: tuple[int, ...]
    group: int | None = None
    indices: tuple[int, ...] | None = None
    window: Window | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, h, w, 3)."""
        _, height, width, _ = self.gt.shape
        height, width = self.window[2:] if self.window else (height // self.scale, width // self.scale)
        return len(self), height, width, 3

    def __len__(self) -> int:
        return len(self.gt) if self.indices is None else len(self.indices)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        number = self._all()[index]
        size = self.group or len(self.gt)
        return self._degraded(number // size, size)[number % size]

    def take(self, indices: Sequence[int]) -> DegradedFrames:
        """These frames in this order."""
        known = self._all()
        chosen = tuple(known[i] for i in indices)
        return replace(self, gt=self.gt.take(chosen)) if self.group is None else replace(self, indices=chosen)

    def crop(self, top: int, left: int, height: int, width: int) -> DegradedFrames:
        """A window of what comes out."""
        if self.window:
            top, left = top + self.window[0], left + self.window[1]
        return replace(self, window=(top, left, height, width))

    def array(self) -> NDArray[np.uint8]:
        """All frames."""
        result = np.empty(self.shape, np.uint8)
        numbers, size = np.array(self._all()), self.group or len(self.gt)
        for group in np.unique(numbers // size):
            places = numbers // size == group
            result[places] = self._degraded(int(group), size)[numbers[places] % size]
        return result

    def _all(self) -> Sequence[int]:
        return range(len(self.gt)) if self.indices is None else self.indices

    def _degraded(self, group: int, size: int) -> NDArray[np.uint8]:
        """One group of frames, of which only the window."""
        _, height, width, _ = self.gt.shape
        top, left, rows, columns = self.window or (0, 0, height // self.scale, width // self.scale)
        outer_top, outer_left = (max(0, side * self.scale - self.margin) for side in (top, left))
        bottom = min(height, (top + rows) * self.scale + self.margin)
        right = min(width, (left + columns) * self.scale + self.margin)
        source = self.gt.take(range(group * size, min((group + 1) * size, len(self.gt))))
        source = source.crop(outer_top, outer_left, bottom - outer_top, right - outer_left)
        frames = self.effect(source.array(), np.random.default_rng((*self.seed, group)))
        top, left = top - outer_top // self.scale, left - outer_left // self.scale
        return frames[:, top : top + rows, left : left + columns]
