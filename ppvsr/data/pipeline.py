"""What happens to a pair of clips before training: one draw for all frames of both.

Clips stay `Frames`, unread, until a step needs pixels; then they are uint8 arrays, (t, h, w, 3), and from
TransposeSequence on (t, 3, h, w). Flips and transpositions are views; one copy is made at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from ppvsr.data.frames import Frames
from ppvsr.errors import ConfigError, DataError

Clips = Frames | np.ndarray
Pair = tuple[Clips, Clips]
Keys = Sequence[Literal["image"]]


@runtime_checkable
class Transform(Protocol):
    """(lq, gt) to (lq, gt). A random one draws from `rng` only. The pixels of `spatial` ones must be (t, h, w, 3)."""

    random: ClassVar[bool]
    spatial: ClassVar[bool]

    def __call__(self, lq: Clips, gt: Clips, rng: np.random.Generator) -> Pair:
        """Apply to both clips."""


@dataclass(frozen=True, kw_only=True)
class SRPairedRandomCrop:
    """The same random window of all frames; first in the pipeline, nothing else of the pictures is kept.

    scale: gt size / lq size.  gt_patch_size: of the square window, in pixels of gt.
    Raises DataError when the sizes of the pair do not fit each other, or the window does not fit into them.
    """

    scale: int
    gt_patch_size: int
    scale_list: Literal[False] = False
    keys: Keys = ("image", "image")
    random: ClassVar[bool] = True
    spatial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.scale < 1 or self.gt_patch_size < 1 or self.gt_patch_size % self.scale:
            raise ConfigError(
                f"SRPairedRandomCrop: gt_patch_size {self.gt_patch_size} must be a multiple of scale {self.scale}"
            )

    def __call__(self, lq: Clips, gt: Clips, rng: np.random.Generator) -> Pair:
        """Crop both clips at the same place."""
        patch, (height, width) = self.gt_patch_size // self.scale, lq.shape[1:3]
        sizes = f"LQ is {width}x{height}, GT is {gt.shape[2]}x{gt.shape[1]}"
        if tuple(gt.shape[1:3]) != (height * self.scale, width * self.scale):
            raise DataError(f"{sizes}; SRPairedRandomCrop expects GT to be {self.scale} times as large")
        if patch > min(height, width):
            raise DataError(f"{sizes}: smaller than gt_patch_size {self.gt_patch_size}; lower it, or take the clip out")
        top, left = int(rng.integers(height - patch + 1)), int(rng.integers(width - patch + 1))
        return crop(lq, top, left, patch), crop(gt, top * self.scale, left * self.scale, self.gt_patch_size)


@dataclass(frozen=True, kw_only=True)
class Chance(ABC):
    """Base of steps that happen to both clips with probability `prob`."""

    prob: float = 0.5
    keys: Keys = ("image", "image")
    random: ClassVar[bool] = True
    spatial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.prob <= 1:
            raise ConfigError(f"{type(self).__name__}: prob must be between 0 and 1, got {self.prob}")

    def __call__(self, lq: Clips, gt: Clips, rng: np.random.Generator) -> Pair:
        """Change both clips, or neither."""
        if rng.random() >= self.prob:
            return lq, gt
        return self.change(pixels(lq)), self.change(pixels(gt))

    @abstractmethod
    def change(self, clip: np.ndarray) -> np.ndarray:
        """The changed clip, as a view."""


class PairedRandomHorizontalFlip(Chance):
    """Left becomes right."""

    def change(self, clip: np.ndarray) -> np.ndarray:
        """Flip along w."""
        return clip[:, :, ::-1]


class PairedRandomVerticalFlip(Chance):
    """Top becomes bottom."""

    def change(self, clip: np.ndarray) -> np.ndarray:
        """Flip along h."""
        return clip[:, ::-1]


class PairedRandomTransposeHW(Chance):
    """Rows become columns."""

    def change(self, clip: np.ndarray) -> np.ndarray:
        """Swap h and w."""
        return clip.swapaxes(1, 2)


@dataclass(frozen=True, kw_only=True)
class TransposeSequence:
    """(t, h, w, 3) to (t, 3, h, w)."""

    order: Sequence[int] = (2, 0, 1)
    keys: Keys = ("image", "image")
    random: ClassVar[bool] = False
    spatial: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if tuple(self.order) != (2, 0, 1):
            raise ConfigError(f"TransposeSequence: order must be [2, 0, 1], which networks expect; got {self.order}")

    def __call__(self, lq: Clips, gt: Clips, rng: np.random.Generator) -> Pair:
        """Transpose both clips."""
        return pixels(lq).transpose(0, 3, 1, 2), pixels(gt).transpose(0, 3, 1, 2)


@dataclass(frozen=True, kw_only=True)
class MirrorVideoSequence:
    """The clip, then the clip backwards: 2t frames."""

    keys: Keys = ("image", "image")
    random: ClassVar[bool] = False
    spatial: ClassVar[bool] = False

    def __call__(self, lq: Clips, gt: Clips, rng: np.random.Generator) -> Pair:
        """Append the mirror image in time."""
        lq, gt = pixels(lq), pixels(gt)
        return np.concatenate([lq, lq[::-1]]), np.concatenate([gt, gt[::-1]])


@dataclass(frozen=True, kw_only=True)
class NormalizeSequence:
    """(x - mean) / std as float32, for each channel or all of them.

    Mean 0 and std 255 leave bytes alone: they are divided by 255 on the device, and are a fourth as much to move.
    """

    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 255.0
    data_format: Literal["CHW"] = "CHW"
    keys: Keys = ("image", "image")
    random: ClassVar[bool] = False
    spatial: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, value in (("mean", self.mean), ("std", self.std)):
            if np.size(value) not in (1, 3):
                raise ConfigError(f"NormalizeSequence: {name} must be one number or three, got {value}")
        if not np.all(self.std):
            raise ConfigError(f"NormalizeSequence: std must not be 0, got {self.std}")

    def __call__(self, lq: Clips, gt: Clips, rng: np.random.Generator) -> Pair:
        """Normalise both clips, (t, 3, h, w)."""
        mean, std = (np.asarray(value, np.float32).reshape(-1, 1, 1) for value in (self.mean, self.std))
        if not mean.any() and (std == 255).all():
            return lq, gt
        return (pixels(lq) - mean) / std, (pixels(gt) - mean) / std


def check_order(pipeline: Sequence[Transform]) -> None:
    """Raise ConfigError unless pixels end as (t, 3, h, w), and every step gets the axes that it expects."""
    names = [type(each).__name__ for each in pipeline]
    if names.count("TransposeSequence") != 1:
        raise ConfigError(f"Transforms: the pipeline needs one TransposeSequence, got {names}")
    place = names.index("TransposeSequence")
    if late := [type(each).__name__ for each in pipeline[place + 1 :] if each.spatial]:
        raise ConfigError(f"Transforms: {', '.join(late)} must stand before TransposeSequence")
    if "NormalizeSequence" in names[:place]:
        raise ConfigError("Transforms: NormalizeSequence must stand after TransposeSequence")


def pixels(clip: Clips) -> np.ndarray:
    """The clip as an array; reads what was not read so far."""
    return clip if isinstance(clip, np.ndarray) else clip.array()


def crop(clip: Clips, top: int, left: int, size: int) -> Clips:
    """A square window of all frames."""
    if isinstance(clip, np.ndarray):
        return clip[:, top : top + size, left : left + size]
    return clip.crop(top, left, size, size)
