"""The common half of all data sets that are two trees of pictures, low and high resolution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ppvsr.data.frames import Clip, Frames, ImageFrames, PackedFrames, Report, Sample
from ppvsr.data.listing import Folders, Listing, Names, unequal
from ppvsr.data.pack import packed_path
from ppvsr.data.pictures import picture_size
from ppvsr.data.spans import OWN, Span
from ppvsr.data.steps import Item, Preprocess, Step
from ppvsr.errors import ConfigError, DataError

SHOWN = 8
PROBES = 1000  # clips whose sizes are compared before training; reading all heads of a large set takes minutes


class PairedFolders(ABC):
    """Clips `<lq_folder>/<key>/*.png` and `<gt_folder>/<key>/*.png`; subclasses say which keys there are.

    num_frames: frames per example; None is all.  pack: a folder made by `pack_clips`, from which clips that it holds
    are read.  Everything but `prepare` needs `prepare` before.
    """

    advice = "correct lq_folder and gt_folder, or put the clips there"
    shortest = 1

    def __init__(
        self,
        *,
        lq_folder: str,
        gt_folder: str,
        preprocess: Sequence[Step],
        num_frames: int | None = None,
        test_mode: bool = False,
        pack: str | None = None,
    ):
        name = type(self).__name__
        self._folders = {"LQ": Path(lq_folder), "GT": Path(gt_folder)}
        self._preprocess = Preprocess(preprocess, owner=name, test_mode=test_mode)
        self._num_frames = num_frames
        self._test_mode = test_mode
        self._pack = Path(pack) if pack else None
        self._clips: list[Listing] | None = None
        self._packed: dict[tuple[int, str], Path] = {}
        if num_frames is not None and num_frames < 1:
            raise ConfigError(f"{name}: num_frames must be 1 or more, got {num_frames}")
        if num_frames is not None and not self._preprocess.chooser:
            raise ConfigError(f"{name}: num_frames needs GetNeighboringFramesIdx in preprocess; it chooses the frames")

    @property
    def mirrored(self) -> bool:
        """Whether the pipeline holds MirrorVideoSequence."""
        return self._preprocess.mirrored

    def prepare(self, report: Report) -> None:
        """List all clips and compare LQ with GT; see `Dataset`."""
        if self._clips is not None:
            return
        for half, path in self._folders.items():
            self._folders[half] = self._found(path, f"{half.lower()}_folder", report)
        clips: list[Listing] = []
        problems: list[str] = []
        folders = Folders()
        for key in self._keys(report):
            listing = self._list(key, folders)
            if isinstance(listing, Listing):
                clips.append(listing)
            else:
                problems.append(listing)
            if len(problems) == SHOWN:
                problems.append("and perhaps more")
                break
        if problems:
            raise DataError("\n".join([f"{type(self).__name__}: some clips cannot be used; {self.advice}", *problems]))
        self._clips = clips
        report(self._describe())

    def __len__(self) -> int:
        return len(self._listed())

    def load(self, index: int, rng: np.random.Generator, span: Span = OWN) -> Sample:
        """One example; see `Dataset`."""
        item = replace(self._item(index), span=span)
        return self._preprocess.sample(item, None if self._test_mode else rng)

    def clip(self, index: int) -> Clip:
        """One clip, unread; see `Dataset`."""
        return self._preprocess.clip(self._item(index))

    def halves(self, index: int) -> Iterator[tuple[str, str, ImageFrames]]:
        """(half, key, its pictures) of a whole clip, for packing."""
        listing = self._listed()[index]
        for half, names in (("LQ", listing.lq), ("GT", listing.gt)):
            folder = self._folders[half] / listing.key
            yield half, listing.key, ImageFrames(tuple(folder / name for name in names))

    @abstractmethod
    def _keys(self, report: Report) -> list[str]:
        """The keys of the clips, sorted."""

    def _places(self, path: Path) -> list[Path]:
        """Where a configured path may be, most likely first."""
        return [path]

    def _found(self, path: Path, option: str, report: Report) -> Path:
        places = self._places(path)
        for place in places:
            if place.exists():
                if place != path:
                    report(f"{path} is not there; {place} is taken")
                return place
        looked = ", nor ".join(str(place) for place in places)
        raise DataError(f"{type(self).__name__}.{option}: there is no {looked}; {self.advice}")

    def _list(self, key: str, folders: Folders) -> Listing | str:
        """A clip's listing, or what is wrong with it."""
        found: dict[str, Names] = {}
        for half, root in self._folders.items():
            names = folders.names(f"{root}/{key}")
            if not names:
                return f"{root}/{key}: {'no such clip' if names is None else 'holds no pictures'}"
            found[half] = names
        listing = Listing(key, found["LQ"], found["GT"])
        if problem := unequal(listing):
            return f"{key}: {problem}"
        chooser = self._preprocess.chooser
        needed = chooser.needed(self._num_frames or 1) if chooser else 1
        if len(listing.gt) < max(needed, self.shortest):
            wanted = f"{max(needed, self.shortest)} are needed"
            return f"{self._folders['GT']}/{key}: has {len(listing.gt)} pictures, {wanted}"
        if chooser and (problem := chooser.unexpected_name(listing.gt)):
            return f"{self._folders['GT']}/{key}: {problem}"
        return listing

    def _describe(self) -> str:
        """One line for the log; looks into the clips, and refuses halves that cannot belong together."""
        clips = self._listed()
        problems = []
        for index in range(0, len(clips), -(-len(clips) // PROBES)):
            (_, key, lq), (_, _, gt) = self.halves(index)
            (lq_height, lq_width), (gt_height, gt_width) = picture_size(lq.paths[0]), picture_size(gt.paths[0])
            sizes = f"LQ {lq_width}x{lq_height}, GT {gt_width}x{gt_height}"
            if gt_height % lq_height or gt_width != lq_width * (gt_height // lq_height):
                problems.append(f"clip {key}: {sizes}; GT must be LQ times a whole number. Are the folders swapped?")
        if problems:
            more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
            raise DataError("\n".join([*problems[:SHOWN], *more]))
        line = f"{type(self).__name__}: {len(clips)} clips, {sum(len(each.gt) for each in clips)} frames, {sizes}"
        if self._pack:
            self._packed = dict(self._find_packed(self._pack))
            line += f"; {len(self._packed)} of {2 * len(clips)} halves of clips are packed in {self._pack}"
        return line

    def _find_packed(self, pack: Path) -> Iterator[tuple[tuple[int, str], Path]]:
        for index in range(len(self)):
            for half, key, frames in self.halves(index):
                path = packed_path(pack, half, key, frames.paths)
                if path.exists():
                    yield (index, half), path

    def _half(self, index: int, half: str) -> Frames:
        if (index, half) in self._packed:
            return PackedFrames(self._packed[index, half])
        return next(frames for name, _, frames in self.halves(index) if name == half)

    def _item(self, index: int) -> Item:
        key = self._listed()[index].key
        return Item(key, self._half(index, "LQ"), self._half(index, "GT"), self._num_frames)

    def _listed(self) -> list[Listing]:
        if self._clips is None:
            raise RuntimeError(f"{type(self).__name__}: prepare() comes first")
        return self._clips
