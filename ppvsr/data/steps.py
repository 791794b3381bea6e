"""The steps of `preprocess`: which frames, which pictures, what happens to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from ppvsr.data.frames import Clip, Frames, Sample
from ppvsr.data.spans import OWN, Span, forth_and_back
from ppvsr.data.transforms import Clips, Transform, check_order, pixels
from ppvsr.errors import ConfigError, DataError


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
