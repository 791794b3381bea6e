"""Photographs set in motion: clips whose every frame is as sharp as a photograph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator

from ppvsr.data.chosen import chosen_files, refuse
from ppvsr.data.degraded import Degradation, DegradedFrames
from ppvsr.data.frames import ArrayFrames, Clip, Pixels, Report, Sample
from ppvsr.data.motion import draw_ellipse, draw_path, mix
from ppvsr.data.operation import Operation
from ppvsr.data.pictures import picture_size, read_picture
from ppvsr.data.spans import OWN, Span
from ppvsr.data.steps import Item, Preprocess, Step
from ppvsr.data.videos import film_steps
from ppvsr.errors import ConfigError, DataError
from ppvsr.video.images import SUFFIXES

FRONT = 0.5  # how often another photograph moves before the first one


class MovingPhotosDataset:
    """Photographs in a folder. One index is one photograph, a sample a camera's way over it: it drifts, turns, zooms.

    In half of the samples an ellipse of another photograph goes its own way before it.

    folder: its pictures (not those in folders inside it), by their endings.  names, skip: text files with one picture a
    line: the only ones to use, and those to leave out.  num_frames: of a sample.  gt_patch_size: of its frames, in
    pixels; a multiple of `scale`, and no picture may be smaller.
    scale, degradation: how low resolution is made, see `degrade`; None is BI alone.
    preprocess: as for VideoFolderDataset; SRPairedRandomCrop is not needed.
    """

    def __init__(
        self,
        *,
        folder: str,
        num_frames: int,
        gt_patch_size: int = 256,
        scale: int = 4,
        names: str | None = None,
        skip: str | None = None,
        degradation: Sequence[Operation] | None = None,
        preprocess: Sequence[Step] = (),
    ):
        self._folder = Path(folder)
        self._num_frames, self._side, self._scale = num_frames, gt_patch_size, scale
        self._lists = {"names": names, "skip": skip}
        self._degradation = Degradation(tuple(degradation or ()), scale)
        self._preprocess = Preprocess(film_steps(preprocess, "MovingPhotosDataset"), owner="MovingPhotosDataset")
        self._photos: list[Path] | None = None
        if num_frames < 1:
            raise ConfigError(f"MovingPhotosDataset: num_frames must be 1 or more, got {num_frames}")
        if gt_patch_size < scale or gt_patch_size % scale:
            raise ConfigError(f"MovingPhotosDataset: gt_patch_size {gt_patch_size} must be a multiple of scale {scale}")

    @property
    def mirrored(self) -> bool:
        """Whether the pipeline holds MirrorVideoSequence."""
        return self._preprocess.mirrored

    def prepare(self, report: Report) -> None:
        """List the photographs and look at their sizes; see `Dataset`."""
        if self._photos is not None:
            return
        photos = chosen_files(self._folder, SUFFIXES, self._lists, "photograph")
        problems = []
        for path in photos:
            try:
                height, width = picture_size(path)
            except DataError as error:
                problems.append(str(error))
                continue
            if min(height, width) < self._side:
                problems.append(f"{path.name}: is {width}x{height}; patches of {self._side} do not fit")
        refuse(problems, f"{self._folder}: photographs that cannot be used; remove them, or list them in `skip`")
        self._photos = photos
        report(f"MovingPhotosDataset: {len(photos)} photographs")

    def __len__(self) -> int:
        return len(self._prepared())

    def load(self, index: int, rng: Generator, span: Span = OWN) -> Sample:
        """One example; see `Dataset`."""
        return self._preprocess.sample(self._item(index, rng, span), rng)

    def clip(self, index: int) -> Clip:
        """A photograph's clip, the same every time; see `Dataset`."""
        return self._preprocess.clip(self._item(index, np.random.default_rng(list(self._key(index).encode()))))

    def _item(self, index: int, rng: Generator, span: Span = OWN) -> Item:
        chooser = self._preprocess.chooser
        assert chooser is not None  # film_steps made sure
        gt = ArrayFrames(self._moved(index, chooser.needed(span.count(self._num_frames)), rng))
        effect = self._degradation.draw(rng)
        seed = (int(rng.integers(1 << 62)),)
        lq = DegradedFrames(gt, effect, self._scale, self._degradation.margin, seed)
        return Item(self._key(index), lq, gt, self._num_frames, span=span)

    def _moved(self, index: int, count: int, rng: Generator) -> Pixels:
        """Frames (count, side, side, 3)."""
        photos, times = self._prepared(), count / self._own_count()
        back = read_picture(photos[index])
        behind = draw_path(back, self._side, rng).calmed(times)
        if rng.random() >= FRONT:
            return np.stack([behind.view(back, time) for time in range(count)])
        front = read_picture(photos[int(rng.integers(len(photos)))])
        before, ellipse = draw_path(front, self._side, rng).calmed(times), draw_ellipse((self._side, self._side), rng)
        views = ((behind.view(back, time), before.view(front, time), ellipse.mask(time)) for time in range(count))
        return np.stack([mix(*each) for each in views])

    def _own_count(self) -> int:
        """Return the frames that a sample needs by itself."""
        chooser = self._preprocess.chooser
        return chooser.needed(self._num_frames) if chooser else self._num_frames

    def _key(self, index: int) -> str:
        return self._prepared()[index].stem

    def _prepared(self) -> list[Path]:
        if self._photos is None:
            raise RuntimeError("MovingPhotosDataset: prepare() comes first")
        return self._photos
