"""Data sets that are two trees of pictures: REDS, Vimeo90K, and any folder of clips."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ppvsr.data.clips import Clip, Frames, ImageFrames, PackedFrames, Report, Sample, packed_path, picture_size
from ppvsr.data.pipeline import Item, Preprocess, Step
from ppvsr.data.spans import OWN, Span
from ppvsr.errors import ConfigError, DataError
from ppvsr.video.images import SUFFIXES, natural

# ---- What is on the disk: lists of clips, folders of pictures.

Names = tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """A clip and the names of its pictures, in order."""

    key: str
    lq: Names
    gt: Names


class Folders:
    """Lists folders of pictures. Names repeat from clip to clip: they are sorted and kept once."""

    def __init__(self) -> None:
        self._known: dict[Names, Names] = {}

    def names(self, folder: str) -> Names | None:
        """The names of the pictures in a folder, in natural order; None when there is no such folder."""
        try:
            found = tuple(sorted(os.listdir(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DataError(f"{folder}: cannot be listed: {error.strerror}") from error
        if found not in self._known:
            pictures = [name for name in found if os.path.splitext(name)[1].lower() in SUFFIXES]
            self._known[found] = tuple(sorted(pictures, key=lambda name: natural(Path(name))))
        return self._known[found]


def subfolders(root: Path) -> list[str]:
    """The names of the folders in a folder, sorted; raises DataError."""
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{root}: cannot be listed: {error.strerror}") from error


def annotated(path: Path) -> list[str]:
    """The first word of every line that is not blank, in order: `000/00000000.png (720, 1280, 3)`, `00001/0001 7 (..)`.

    Raises DataError for a file that is missing, empty or no text, and for words that lead out of the data set.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no list of clips but a binary file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; ann_file must be the list of clips") from error
    words = [line.split()[0] for line in lines if line.strip()]
    if not words:
        raise DataError(f"{path}: lists no clips")
    for word in words:
        if word.startswith("/") or ".." in word.split("/") or "\\" in word:
            raise DataError(f"{path}: {word!r} is no name of a clip; lines look like 000/00000000.png or 00001/0001")
    return words


def unique(words: list[str]) -> list[str]:
    """Without duplicates, in the order of first appearance."""
    return list(dict.fromkeys(words))


def unequal(listing: Listing) -> str | None:
    """How the two halves of a clip differ in their pictures, or None. Endings may differ."""
    if listing.lq is listing.gt:
        return None
    if len(listing.lq) != len(listing.gt):
        return f"has {len(listing.lq)} LQ pictures and {len(listing.gt)} GT pictures; both need the same"
    for lq, gt in zip(listing.lq, listing.gt, strict=True):
        if lq != gt and os.path.splitext(lq)[0] != os.path.splitext(gt)[0]:
            return f"holds {lq} in LQ where GT holds {gt}; both need the same names"
    return None


# ---- The common half of all data sets that are two trees of pictures, low and high resolution.

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


# ---- The data sets of PaddleGAN's configs: REDS, Vimeo90K, and any folder of clips.

VALIDATION = {
    "REDS4": frozenset({"000", "011", "015", "020"}),
    "official": frozenset(f"{number:03d}" for number in range(240, 270)),
}
# The second document puts LQ and lists beside `vimeo_septuplet` in its tree, and inside it in its command.
SEPTUPLET = "vimeo_septuplet"


class VSRREDSMultipleGTDataset(PairedFolders):
    """REDS: clips `000` to `269`, of which `val_partition` names those for validation.

    lq_folder, gt_folder: hold one folder per clip.  ann_file: lines like `000/00000000.png (720, 1280, 3)`.
    test_mode: take the clips of the partition, and nothing random; else all others.
    """

    advice = "tools/prepare_reds.py makes these folders and the list"

    def __init__(
        self,
        *,
        lq_folder: str,
        gt_folder: str,
        ann_file: str,
        num_frames: int,
        preprocess: Sequence[Step],
        val_partition: Literal["REDS4", "official"] = "REDS4",
        test_mode: bool = False,
        pack: str | None = None,
    ):
        super().__init__(
            lq_folder=lq_folder,
            gt_folder=gt_folder,
            preprocess=preprocess,
            num_frames=num_frames,
            test_mode=test_mode,
            pack=pack,
        )
        self._ann_file = Path(ann_file)
        self._partition = val_partition
        self._pictures: Counter[str] = Counter()  # that the list names, by clip

    def _keys(self, report: Report) -> list[str]:
        ann_file = self._found(self._ann_file, "ann_file", report)
        validation = VALIDATION[self._partition]
        words = annotated(ann_file)
        self._pictures = Counter(word.split("/")[0] for word in words if "/" in word)
        listed = unique([word.split("/")[0] for word in words])
        keys = sorted(key for key in listed if (key in validation) == self._test_mode)
        if not keys:
            which, use = ("none is", "test") if self._test_mode else ("all are", "train")
            raise DataError(
                f"{ann_file}: of its {len(listed)} clips {which} in val_partition {self._partition} "
                f"({min(validation)} ... {max(validation)}), so there is nothing to {use}"
            )
        return keys

    def _list(self, key: str, folders: Folders) -> Listing | str:
        """A clip's listing, or what is wrong with it; a clip that lacks pictures of the list would jump."""
        listing = super()._list(key, folders)
        listed = self._pictures[key]
        if isinstance(listing, Listing) and len(listing.gt) < listed:
            return f"{key}: has {len(listing.gt)} of the {listed} pictures that {self._ann_file} lists"
        return listing


class VSRVimeo90KDataset(PairedFolders):
    """Vimeo90K: septuplets `00001/0001` of seven pictures each.

    lq_folder, gt_folder: hold `00001/0001/im1.png` and so on.  ann_file: lines like `00001/0001`, or
    `00001/0001 7 (256, 448, 3)`.  test_mode: nothing random.  What is not where the config says is looked for inside
    `vimeo_septuplet`, or beside it.
    """

    advice = "tools/vimeo_preprocess.py makes BIx4 and the lists; docs/datasets.md tells about BD"
    shortest = 7

    def __init__(
        self,
        *,
        lq_folder: str,
        gt_folder: str,
        ann_file: str,
        preprocess: Sequence[Step],
        test_mode: bool = False,
        pack: str | None = None,
    ):
        super().__init__(
            lq_folder=lq_folder, gt_folder=gt_folder, preprocess=preprocess, test_mode=test_mode, pack=pack
        )
        self._ann_file = Path(ann_file)

    def _keys(self, report: Report) -> list[str]:
        return sorted(unique(annotated(self._found(self._ann_file, "ann_file", report))))

    def _places(self, path: Path) -> list[Path]:
        return [path, path.parent / SEPTUPLET / path.name, *_beside(path)]


class VSRFolderDataset(PairedFolders):
    """Every sub-folder of `gt_folder` and `lq_folder` is a clip; Vid4, UDM10 or your own.

    num_frames: the first frames of each clip; None is all.
    """

    def __init__(
        self,
        *,
        lq_folder: str,
        gt_folder: str,
        preprocess: Sequence[Step],
        num_frames: int | None = None,
        times: Literal[1] = 1,
        test_mode: bool = False,
        pack: str | None = None,
    ):
        super().__init__(
            lq_folder=lq_folder,
            gt_folder=gt_folder,
            preprocess=preprocess,
            num_frames=num_frames,
            test_mode=test_mode,
            pack=pack,
        )

    def _keys(self, report: Report) -> list[str]:
        keys = {key for root in self._folders.values() for key in subfolders(root)}
        if not keys:
            places = " and ".join(str(root) for root in self._folders.values())
            raise DataError(f"{places}: hold no clips; every clip is a sub-folder of pictures")
        return sorted(keys)


def _beside(path: Path) -> list[Path]:
    """The same outside of `vimeo_septuplet`."""
    return [path.parents[1] / path.name] if path.parent.name == SEPTUPLET else []
