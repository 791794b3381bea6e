"""How real footage loses its quality: operations drawn once for a clip and applied when it is read."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import ClassVar, Literal, Protocol

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ppvsr.data.clips import Frames, Window
from ppvsr.data.effects import (
    Pixels,
    bicubic_down,
    blurred,
    fitted,
    gaussian,
    gaussian_down,
    noisy,
    scaled,
    through_h264,
    through_jpeg,
    to_bytes,
    unchanged,
)
from ppvsr.errors import ConfigError

# ---- What a loss of quality is: parameters drawn once for a clip, then an effect on its frames.

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


# ---- How real footage loses its quality: operations with ranges, drawn once for a clip and applied on the fly.
# Operations are configured as nodes, such as `{name: Noise, gaussian: [1, 10], prob: 0.5}`. Where an option is a range,
# one number stands for itself, and `[lowest, highest]` for a number in between, drawn evenly for every clip. Frames are
# RGB (t, h, w, 3) in 0..255, uint8 or float32; nothing is rounded between operations that do not have to.

KERNELS = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]


@dataclass(frozen=True, kw_only=True)
class Blur(Occasional):
    """A Gaussian blur.

    sigma: in pixels.  anisotropic_prob: how often it is an ellipse, of any direction, with its own sigma along and
    across, instead of a circle.
    """

    limits: ClassVar[Limits] = {"sigma": (0, 20), "anisotropic_prob": (0, 1)}

    sigma: Range = (0.2, 2.0)
    anisotropic_prob: float = 0.5

    @property
    def margin(self) -> int:
        """Three sigma."""
        return math.ceil(3 * ends(self.sigma)[1])

    def _effect(self, rng: Generator) -> Effect:
        along = between(self.sigma, rng)
        if rng.random() < self.anisotropic_prob:
            kernel = gaussian(along, between(self.sigma, rng), rng.uniform(0, math.pi))
        else:
            kernel = gaussian(along, along, 0.0)
        return partial(blurred, kernel=kernel)


@dataclass(frozen=True, kw_only=True)
class Resize(Occasional):
    """Another size for the operations that follow: noise and compression of a picture that is resized later.

    scale: factor of height and width.  kernels: one of them is drawn for a clip.  The end of the list, and BI and BD,
    bring the frames back to the size they would have without this.
    """

    limits: ClassVar[Limits] = {"scale": (0.1, 4)}

    scale: Range = (0.5, 1.5)
    kernels: Sequence[Literal["area", "bilinear", "bicubic"]] = ("area", "bilinear", "bicubic")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.kernels:
            raise ConfigError(f"Resize.kernels: expected some of {', '.join(KERNELS)}, got none")

    @property
    def margin(self) -> int:
        """Two samples of the coarser of both sizes."""
        return math.ceil(2 / min(1.0, ends(self.scale)[0]))

    def _effect(self, rng: Generator) -> Effect:
        kernel = self.kernels[int(rng.integers(len(self.kernels)))]
        return partial(scaled, factor=between(self.scale, rng), kernel=KERNELS[kernel])


@dataclass(frozen=True, kw_only=True)
class Noise(Occasional):
    """Noise, new in every frame, of a strength that stays the same for the clip.

    gaussian: standard deviation in levels, the same everywhere.  poisson: shot noise, as light itself has it: its
    standard deviation at white, in levels; darker is less.  gray_prob: how often all three channels get the same noise.
    """

    limits: ClassVar[Limits] = {"gaussian": (0, 100), "poisson": (0, 100), "gray_prob": (0, 1)}

    gaussian: Range = (1.0, 10.0)
    poisson: Range = 0.0
    gray_prob: float = 0.4

    def _effect(self, rng: Generator) -> Effect:
        amounts = between(self.gaussian, rng), between(self.poisson, rng)
        return partial(noisy, amounts=amounts, gray=rng.random() < self.gray_prob)


@dataclass(frozen=True, kw_only=True)
class JPEG(Occasional):
    """Every frame as a JPEG picture of its own.

    quality: 1..100, drawn as a whole number.
    """

    limits: ClassVar[Limits] = {"quality": (1, 100)}

    quality: Range = (60, 95)

    def _effect(self, rng: Generator) -> Effect:
        return partial(through_jpeg, quality=round(between(self.quality, rng)))


@dataclass(frozen=True, kw_only=True)
class H264(Occasional):
    """The clip as a film: libx264, 4:2:0.

    crf: constant rate factor, 0 (nothing lost) to 51.  preset: how hard the encoder tries.
    """

    limits: ClassVar[Limits] = {"crf": (0, 51)}
    temporal = True

    crf: Range = (18, 32)
    preset: Preset = "veryfast"

    @property
    def margin(self) -> int:
        """Where motion comes from, as far as it matters; exactness would take the whole picture."""
        return 4

    def _effect(self, rng: Generator) -> Effect:
        return partial(through_h264, crf=round(between(self.crf, rng), 1), preset=self.preset)


@dataclass(frozen=True, kw_only=True)
class BI:
    """BIx4: MATLAB's bicubic, antialiased, `scale` times smaller."""

    temporal: ClassVar[bool] = False

    scale: int = 4

    def __post_init__(self) -> None:
        check_scale(self)

    @property
    def shrink(self) -> int:
        """The scale."""
        return self.scale

    @property
    def margin(self) -> int:
        """Half the kernel, 4 * scale taps."""
        return 2 * self.scale

    def draw(self, rng: Generator) -> Effect:
        """There is nothing to draw."""
        return partial(bicubic_down, scale=self.scale)


@dataclass(frozen=True, kw_only=True)
class BD:
    """BDx4: a Gaussian blur, and every `scale`-th sample of it, as BasicVSR's `BD_degradation.m` does.

    The kernel has 2 * ceil(3 * sigma) + 2 taps (12 for 1.6), an even number, and lies in the middle of `scale` samples,
    so that the result is aligned with its original as BIx4 is; edges are repeated; rounded once.
    """

    temporal: ClassVar[bool] = False

    scale: int = 4
    sigma: float = 1.6

    def __post_init__(self) -> None:
        check_scale(self)
        if self.scale % 2:
            raise ConfigError(f"BD.scale: must be even, got {self.scale}: the kernel lies between two samples")
        if not 0 < self.sigma <= 20:
            raise ConfigError(f"BD.sigma: expected a number above 0, at most 20, got {self.sigma}")

    @property
    def shrink(self) -> int:
        """The scale."""
        return self.scale

    @property
    def margin(self) -> int:
        """Half the kernel."""
        return math.ceil(3 * self.sigma) + 1

    def draw(self, rng: Generator) -> Effect:
        """There is nothing to draw."""
        return partial(gaussian_down, scale=self.scale, sigma=self.sigma)


def check_scale(operation: BI | BD) -> None:
    """Raise ConfigError for a scale that shrinks nothing."""
    if not 2 <= operation.scale <= 16:
        raise ConfigError(f"{type(operation).__name__}.scale: expected a whole number in 2..16, got {operation.scale}")


# ---- Low resolution made from high resolution when it is read, and only as much of it as is read.

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
