"""How real footage loses its quality: operations with ranges, drawn once for a clip and applied on the fly.

Operations are configured as nodes, such as `{name: Noise, gaussian: [1, 10], prob: 0.5}`. Where an option is a range,
one number stands for itself, and `[lowest, highest]` for a number in between, drawn evenly for every clip. Frames are
RGB (t, h, w, 3) in 0..255, uint8 or float32; nothing is rounded between operations that do not have to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import cv2
from numpy.random import Generator

from ppvsr.data.effects import (
    bicubic_down,
    blurred,
    gaussian,
    gaussian_down,
    noisy,
    scaled,
    through_h264,
    through_jpeg,
)
from ppvsr.data.operation import Effect, Limits, Occasional, Range, between, ends
from ppvsr.errors import ConfigError

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
