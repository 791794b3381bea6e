"""The steps of `preprocess`: which frames, which pictures, and what happens to a pair of clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from ppvsr.data.clips import Clip, Frames, Sample
from ppvsr.data.spans import OWN, Span, forth_and_back
from ppvsr.errors import ConfigError, DataError

# ---- What happens to a pair of clips before training: one draw for all frames of both.
# Clips stay `Frames`, unread, until a step needs pixels; then they are uint8 arrays, (t, h, w, 3), and from
# TransposeSequence on (t, 3, h, w). Flips and transpositions are views; one copy is made at the end.

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


# ---- The steps of `preprocess`: which frames, which pictures, what happens to them.


@dataclass(frozen=True)
class Item:
    """What steps hand on: a clip, how many of its frames are wanted (None: all), and which halves are to be read.

    span: makes of the number that is wanted another one.
    """

    key: str
    lq: Clips
    gt: Clips
    num_frames: int | None = None
    read: frozenset[str] = frozenset()
    span: Span = OWN


@runtime_checkable
class Step(Protocol):
    """Item to item. `rng` None means evaluation: nothing is random."""

    rank: ClassVar[int]  # steps stand in this order

    @property
    def random(self) -> bool:
        """Whether it draws from `rng`."""

    def __call__(self, item: Item, rng: np.random.Generator | None) -> Item:
        """Do it."""


@dataclass(frozen=True, kw_only=True)
class GetNeighboringFramesIdx:
    """Choose `num_frames` frames of the data set's clip: from a random start, or from 0 when evaluating.

    interval_list: distances between frames, of which one is drawn.  start_idx, filename_tmpl: number of the first
    picture, and what pictures are called, `{:08d}.png`; with a template, other names are an error. Without it, pictures
    are taken in natural order, whatever they are called.  reverse_prob: how often the frames run backwards.
    """

    interval_list: Sequence[int]
    start_idx: int = 0
    filename_tmpl: str | None = None
    reverse_prob: float = 0.0
    rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not self.interval_list or min(self.interval_list) < 1:
            raise ConfigError(f"GetNeighboringFramesIdx: interval_list must hold 1 or more, got {self.interval_list}")
        if not 0 <= self.reverse_prob <= 1:
            raise ConfigError(f"GetNeighboringFramesIdx: reverse_prob must be 0 to 1, got {self.reverse_prob}")
        if self.filename_tmpl is not None:
            self._name(self.filename_tmpl, 0)

    @property
    def random(self) -> bool:
        """Whether evaluation would depend on a draw; the random start does not count, it becomes 0."""
        return len(set(self.interval_list)) > 1 or self.reverse_prob > 0

    def needed(self, num_frames: int) -> int:
        """How long clips must be."""
        return (num_frames - 1) * max(self.interval_list) + 1

    def unexpected_name(self, names: Sequence[str]) -> str | None:
        """What is wrong with the names of a clip's pictures, or None."""
        if self.filename_tmpl is None:
            return None
        for number, name in enumerate(names, self.start_idx):
            if name != (expected := self._name(self.filename_tmpl, number)):
                return (
                    f"holds {name} where filename_tmpl {self.filename_tmpl!r} and start_idx {self.start_idx} "
                    f"expect {expected}; correct them, or leave out filename_tmpl"
                )
        return None

    def __call__(self, item: Item, rng: np.random.Generator | None) -> Item:
        """Choose frames of both clips."""
        length = len(item.lq)
        interval = self.interval_list[0 if rng is None else int(rng.integers(len(self.interval_list)))]
        count = item.span.count(item.num_frames or (length - 1) // interval + 1)
        spare = length - (count - 1) * interval  # the number of possible starts
        if spare < 1 and item.span == OWN:
            raise DataError(f"{item.key}: has {length} frames, {count} at distance {interval} do not fit")
        starts = spare if spare > 0 else max(2 * (length - 1), 1)  # too short: from anywhere, in either direction
        start = 0 if rng is None else int(rng.integers(starts))
        chosen = forth_and_back(start, (count - 1) * interval + 1, length)[::interval]
        if rng is not None and self.reverse_prob and rng.random() < self.reverse_prob:
            chosen.reverse()
        return replace(item, lq=_frames(item.lq).take(chosen), gt=_frames(item.gt).take(chosen))

    @staticmethod
    def _name(template: str, number: int) -> str:
        try:
            return template.format(number)
        except (ValueError, IndexError, KeyError) as error:
            raise ConfigError(
                f"GetNeighboringFramesIdx: filename_tmpl {template!r} is no template like '{{:08d}}.png'"
            ) from error


@dataclass(frozen=True, kw_only=True)
class ReadImageSequence:
    """Mark a half of the pair as to be read; that happens when transforms need pixels, and only those."""

    key: Literal["lq", "gt"]
    flag: Literal[-1] = -1
    to_rgb: Literal[True] = True
    save_original_img: Literal[False] = False
    rank: ClassVar[int] = 1

    @property
    def random(self) -> bool:
        """Never."""
        return False

    def __call__(self, item: Item, rng: np.random.Generator | None) -> Item:
        """Mark it."""
        return replace(item, read=item.read | {self.key})


@dataclass(frozen=True, kw_only=True)
class Transforms:
    """Apply a list of transforms to (lq, gt). Raises DataError that names the clip."""

    pipeline: Sequence[Transform]
    input_keys: Sequence[Literal["lq", "gt"]] = ("lq", "gt")
    output_keys: Sequence[Literal["lq", "gt"]] | None = None
    rank: ClassVar[int] = 2

    def __post_init__(self) -> None:
        for name, keys in (("input_keys", self.input_keys), ("output_keys", self.output_keys)):
            if keys is not None and tuple(keys) != ("lq", "gt"):
                raise ConfigError(f"Transforms: {name} must be [lq, gt], got {list(keys)}")
        check_order(self.pipeline)

    @property
    def random(self) -> bool:
        """Whether any transform is."""
        return any(each.random for each in self.pipeline)

    @property
    def mirrored(self) -> bool:
        """Whether clips are mirrored in time."""
        return any(type(each).__name__ == "MirrorVideoSequence" for each in self.pipeline)

    def __call__(self, item: Item, rng: np.random.Generator | None) -> Item:
        """Run the pipeline; the result holds arrays, (t, 3, h, w)."""
        lq, gt = item.lq, item.gt
        rng = rng or np.random.default_rng(0)  # evaluation: nothing draws from it
        try:
            for each in self.pipeline:
                lq, gt = each(lq, gt, rng)
        except DataError as error:
            raise DataError(f"clip {item.key}: {error}") from error
        return replace(item, lq=lq, gt=gt)


class Preprocess:
    """The steps of a data set, in order. Raises ConfigError for steps that cannot work together."""

    def __init__(self, steps: Sequence[Step], *, owner: str, test_mode: bool = False):
        self._steps = tuple(steps)
        self._owner = owner
        names = [type(each).__name__ for each in steps]
        ranks = [each.rank for each in steps]
        read = sorted(each.key for each in steps if isinstance(each, ReadImageSequence))
        if read != ["gt", "lq"]:
            raise ConfigError(f"{owner}: preprocess must hold one ReadImageSequence for lq and one for gt, got {names}")
        if ranks != sorted(ranks) or ranks.count(0) > 1 or ranks.count(2) != 1:
            raise ConfigError(
                f"{owner}: preprocess must be GetNeighboringFramesIdx (if any), ReadImageSequence twice, then "
                f"Transforms; got {names}"
            )
        if test_mode:
            self.refuse_random()

    @property
    def chooser(self) -> GetNeighboringFramesIdx | None:
        """The step that chooses frames."""
        return next((each for each in self._steps if isinstance(each, GetNeighboringFramesIdx)), None)

    @property
    def mirrored(self) -> bool:
        """Whether the pipeline holds MirrorVideoSequence."""
        return any(each.mirrored for each in self._steps if isinstance(each, Transforms))

    def refuse_random(self) -> None:
        """Raise ConfigError when evaluation would depend on a draw."""
        steps = [each for each in self._steps if each.random]
        found = [
            type(each).__name__
            for step in steps
            for each in (step.pipeline if isinstance(step, Transforms) else [step])
            if each.random
        ]
        if found:
            raise ConfigError(
                f"{self._owner}: evaluation must not be random; remove {', '.join(found)} from preprocess"
            )

    def sample(self, item: Item, rng: np.random.Generator | None) -> Sample:
        """Run all steps; one contiguous copy of what is left."""
        if item.span != OWN and (self.chooser is None or self.mirrored):
            trouble = "MirrorVideoSequence in" if self.mirrored else "no GetNeighboringFramesIdx in"
            raise ConfigError(f"{self._owner}: lengths and warm_frames cannot be had with {trouble} preprocess")
        for step in self._steps:
            item = step(item, rng)
        return finish(item)

    def clip(self, item: Item) -> Clip:
        """The chosen frames, unread; raises ConfigError when steps are random."""
        self.refuse_random()
        if self.chooser:
            item = self.chooser(item, None)
        return Clip(item.key, _frames(item.lq), _frames(item.gt))


def finish(item: Item) -> Sample:
    """Arrays that can be stacked."""
    return Sample(lq=np.ascontiguousarray(pixels(item.lq)), gt=np.ascontiguousarray(pixels(item.gt)), key=item.key)


def _frames(clip: Clips) -> Frames:
    assert not isinstance(clip, np.ndarray), "frames are chosen before they are read"
    return clip
