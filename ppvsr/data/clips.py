"""Clips that are read when they are needed, from pictures, packed files and arrays, and what data sets make of them."""

from __future__ import annotations

import glob
import hashlib
import math
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Protocol, TypedDict, runtime_checkable

import cv2
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ppvsr.data.spans import OWN, Span
from ppvsr.errors import ConfigError, DataError
from ppvsr.system.files import written_whole
from ppvsr.video.images import read_image

# ---- Picture files for training: 8 bits, RGB, and an error that names the file for everything else.

PNG = b"\x89PNG\r\n\x1a\n"


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB, (h, w, 3) uint8; grey becomes RGB, transparency is dropped.

    Raises DataError for a file that is missing, damaged, or has more than 8 bits per sample.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such picture")
    image = read_image(path)
    if image is None:
        raise DataError(f"{path}: is damaged or no picture; replace it, or leave its clip out")
    if image.dtype != np.uint8:
        raise DataError(f"{path}: has 16 bits per sample, 8 are expected; convert the pictures")
    return image  # type: ignore[return-value]


def write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    """Write RGB (h, w, 3) as PNG, whole or not at all; the folder is made if it is not there. Raises OSError."""
    data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        unfinished.write_bytes(data.data)


def picture_size(path: Path) -> tuple[int, int]:
    """(h, w) of a picture, from the head of a PNG file, else by reading it; raises DataError."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if head.startswith(PNG) and len(head) == 24:
        return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")
    return read_picture(path).shape[:2]


# ---- Clips that are read when they are needed: pictures, packed files, arrays; and what data sets make of them.

Pixels = NDArray[np.uint8]
Window = tuple[int, int, int, int]  # top, left, height, width
Report = Callable[[str], None]


class Frames(Protocol):
    """A clip, RGB uint8, that is read when it is needed. Reading raises DataError, which names the file."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, h, w, 3); looks into one file at most."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pixels:
        """One frame, (h, w, 3)."""

    def take(self, indices: Sequence[int]) -> Frames:
        """These frames in this order; nothing is read."""

    def crop(self, top: int, left: int, height: int, width: int) -> Frames:
        """A window of all frames; nothing is read."""

    def array(self) -> Pixels:
        """All frames, (t, h, w, 3), contiguous."""


class Sample(TypedDict):
    """One training example: (t, 3, h, w), uint8, or float32 when the config normalises otherwise than by 0 and 255.

    Pairs with known flow have other channels, see KnownFlowDataset.
    """

    lq: np.ndarray
    gt: np.ndarray
    key: str


@dataclass(frozen=True)
class Clip:
    """A whole clip for evaluation; nothing of it is read yet. It is not mirrored, whatever `Dataset.mirrored` says."""

    key: str
    lq: Frames
    gt: Frames


@runtime_checkable
class Dataset(Protocol):
    """Pairs of clips by number. Plain Python, without Paddle."""

    def prepare(self, report: Report) -> None:
        """List and check everything, once. Raises DataError that names up to eight clips that are not as expected."""

    def __len__(self) -> int: ...

    def load(self, index: int, rng: np.random.Generator, span: Span = OWN) -> Sample:
        """Read one example of the length that `span` says; all its randomness comes from `rng`.

        A clip that is too short for a span goes forth and back. Raises ConfigError where lengths cannot be chosen.
        """

    def clip(self, index: int) -> Clip:
        """The clip to evaluate; raises ConfigError when the pipeline holds random steps."""

    @property
    def mirrored(self) -> bool:
        """Whether the pipeline holds MirrorVideoSequence."""


@dataclass(frozen=True)
class ArrayFrames:
    """A clip in memory, (t, h, w, 3) uint8."""

    pixels: Pixels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, h, w, 3)."""
        return self.pixels.shape

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Pixels:
        return self.pixels[index]

    def take(self, indices: Sequence[int]) -> ArrayFrames:
        """These frames in this order."""
        return ArrayFrames(self.pixels[list(indices)])

    def crop(self, top: int, left: int, height: int, width: int) -> ArrayFrames:
        """A window, as a view."""
        return ArrayFrames(self.pixels[:, top : top + height, left : left + width])

    def array(self) -> Pixels:
        """All frames, contiguous."""
        return np.ascontiguousarray(self.pixels)


@dataclass(frozen=True)
class ImageFrames:
    """A clip of picture files of one size.

    paths: the files, in order.  window: what to keep of each.  size: (h, w) of whole pictures; None looks it up.
    """

    paths: tuple[Path, ...]
    window: Window | None = None
    size: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, h, w, 3)."""
        height, width = self.window[2:] if self.window else self._size()
        return len(self.paths), height, width, 3

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pixels:
        return self._read(self.paths[index], self._size())

    def take(self, indices: Sequence[int]) -> ImageFrames:
        """These frames in this order."""
        return replace(self, paths=tuple(self.paths[i] for i in indices))

    def crop(self, top: int, left: int, height: int, width: int) -> ImageFrames:
        """A window: pictures are decoded whole, and only this is kept of them."""
        if self.window:
            top, left = top + self.window[0], left + self.window[1]
        return replace(self, window=(top, left, height, width), size=self._size())

    def array(self) -> Pixels:
        """All frames, decoded one after the other."""
        result, size = np.empty(self.shape, np.uint8), self._size()
        for place, path in zip(result, self.paths, strict=True):
            place[...] = self._read(path, size)
        return result

    def _size(self) -> tuple[int, int]:
        return self.size or picture_size(self.paths[0])

    def _read(self, path: Path, size: tuple[int, int]) -> Pixels:
        picture = read_picture(path)
        if picture.shape[:2] != size:
            found, expected = (f"{width}x{height}" for height, width in (picture.shape[:2], size))
            raise DataError(f"{path}: is {found}, other pictures of its clip are {expected}; all must have one size")
        return picture if self.window is None else cut(picture[None], self.window)[0]


@dataclass(frozen=True)
class PackedFrames:
    """A clip in one .npy file, (t, h, w, 3) uint8, of which only the wanted windows of the wanted frames are read.

    indices: the frames; None is all.  window: what to keep of each; None is all.
    """

    path: Path
    indices: tuple[int, ...] | None = None
    window: Window | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, h, w, 3)."""
        if self.indices is not None and self.window is not None:  # opening the file is most of the cost of a sample
            return len(self.indices), *self.window[2:], 3
        frames, height, width, _ = self._open().shape
        height, width = self.window[2:] if self.window else (height, width)
        return frames if self.indices is None else len(self.indices), height, width, 3

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> Pixels:
        frame = self._open()[self._all()[index]]
        return np.array(frame if self.window is None else cut(frame[None], self.window)[0])

    def take(self, indices: Sequence[int]) -> PackedFrames:
        """These frames in this order."""
        known = self._all()
        return replace(self, indices=tuple(known[i] for i in indices))

    def crop(self, top: int, left: int, height: int, width: int) -> PackedFrames:
        """A window: nothing else is read."""
        if self.window:
            top, left = top + self.window[0], left + self.window[1]
        return replace(self, window=(top, left, height, width))

    def array(self) -> Pixels:
        """All frames, read from the file."""
        pixels = self._open()
        pixels = pixels if self.window is None else cut(pixels, self.window)
        return np.ascontiguousarray(pixels) if self.indices is None else np.asarray(pixels[list(self.indices)])

    def _all(self) -> Sequence[int]:
        return range(self._open().shape[0]) if self.indices is None else self.indices

    def _open(self) -> Pixels:
        try:
            pixels = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self.path}: is no readable packed clip ({error}); delete it and pack again") from error
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
            raise DataError(f"{self.path}: holds {pixels.dtype} {pixels.shape}, not a clip; delete it and pack again")
        return pixels


def write_head(file: BinaryIO, shape: tuple[int, int, int, int]) -> int:
    """Write the head of a packed clip, a .npy file, and return its length, which does not depend on the first axis."""
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


def cut(pixels: Pixels, window: Window) -> Pixels:
    """A window of (t, h, w, 3), as a view."""
    top, left, height, width = window
    return pixels[:, top : top + height, left : left + width]


# ---- The packed cache: one file per clip and half, of which training reads windows without decoding anything.
#
#     <folder>/GT/000.9d31f6.1a2b3c4d5e6f.npy        (t, h, w, 3) uint8
#
# The name holds a digest of the pictures' place and one of their sizes and dates: a file for other pictures is never
# taken, and packing another data set into the same folder leaves these alone.

DIGEST = 12  # characters of it
REPORTS = 20  # lines that a whole data set gives


class Packable(Protocol):
    """A prepared data set made of pictures."""

    def __len__(self) -> int: ...

    def halves(self, index: int) -> Iterator[tuple[str, str, ImageFrames]]:
        """(half, key, its pictures) of a clip."""


def pack_clips(dataset: Packable, folder: Path, report: Report) -> None:
    """Write the packed clips of a prepared data set that are not there yet; older ones of changed clips go.

    Raises DataError when a picture is unreadable or the disk is full; what was finished stays, and is not done again.
    """
    jobs = [half for index in range(len(dataset)) for half in dataset.halves(index)]
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))  # decoding leaves Python's lock alone
    try:
        for done, _ in enumerate(pool.map(lambda job: _pack(folder, *job), jobs), 1):
            if done % -(-len(jobs) // REPORTS) == 0 or done == len(jobs):
                report(f"{folder}: {done} of {len(jobs)} halves of clips are packed")
    finally:
        pool.shutdown(cancel_futures=True)


def packed_path(folder: Path, half: str, key: str, paths: Sequence[Path]) -> Path:
    """Where the packed form of these pictures, as they are now, is or would be. Raises DataError for missing ones."""
    place = hashlib.sha256(os.fsencode(paths[0].parent.resolve())).hexdigest()[: DIGEST // 2]
    digest = hashlib.sha256()
    for path in paths:
        try:
            facts = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        digest.update(f"\n{path.name} {facts.st_size} {facts.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return folder / half / f"{key}.{place}.{digest.hexdigest()[:DIGEST]}.npy"


def _pack(folder: Path, half: str, key: str, frames: ImageFrames) -> None:
    path = packed_path(folder, half, key, frames.paths)
    if path.exists():
        return
    try:
        older = list(path.parent.glob(f"{glob.escape(path.name[: -DIGEST - len('.npy')])}{'?' * DIGEST}.npy"))
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as unfinished:
            _write(unfinished, frames)
        for each in older:
            each.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


def _write(path: Path, frames: ImageFrames) -> None:
    """Frame by frame, never the whole clip in memory; not memory-mapped, since a full disk would then be a crash."""
    with path.open("wb") as file:
        write_head(file, frames.shape)
        for index in range(len(frames)):
            file.write(np.ascontiguousarray(frames[index]).data)


# ---- A small data set that passes for a large one, so that epochs are long.


class RepeatDataset:
    """`dataset`, `times` over. Every repetition draws its own crops and flips."""

    def __init__(self, *, dataset: Dataset, times: int):
        if times < 1:
            raise ConfigError(f"RepeatDataset: times must be 1 or more, got {times}")
        self.dataset = dataset
        self.times = times

    @property
    def mirrored(self) -> bool:
        """Whether the pipeline holds MirrorVideoSequence."""
        return self.dataset.mirrored

    def prepare(self, report: Report) -> None:
        """See `Dataset`."""
        self.dataset.prepare(report)

    def __len__(self) -> int:
        return self.times * len(self.dataset)

    def load(self, index: int, rng: np.random.Generator, span: Span = OWN) -> Sample:
        """See `Dataset`."""
        return self.dataset.load(index % len(self.dataset), rng, span)

    def clip(self, index: int) -> Clip:
        """See `Dataset`."""
        return self.dataset.clip(index % len(self.dataset))


# ---- Several data sets as one, each with its share.


class MixedDataset:
    """`datasets`, of which each gives its share of all samples; every example is used, those of small sets repeatedly.

    shares: numbers above 0, one for each data set, such as [0.5, 0.5] or [3, 1]; None is the same for all. Shares are
    exact for an epoch, to one sample, and come about for a batch: the loader shuffles.
    """

    def __init__(self, *, datasets: Sequence[Dataset], shares: Sequence[float] | None = None):
        shares = [1.0] * len(datasets) if shares is None else shares
        if not datasets or len(shares) != len(datasets):
            raise ConfigError(
                f"MixedDataset: there must be data sets and a share for each; got {len(datasets)} and {len(shares)}"
            )
        if not all(0 < share < math.inf for share in shares):
            raise ConfigError(f"MixedDataset: shares must be above 0, got {list(shares)}; leave out what has none")
        self.datasets = tuple(datasets)
        self._shares = [share / sum(shares) for share in shares]

    @property
    def mirrored(self) -> bool:
        """Whether a pipeline holds MirrorVideoSequence."""
        return any(each.mirrored for each in self.datasets)

    def prepare(self, report: Report) -> None:
        """See `Dataset`."""
        for each in self.datasets:
            each.prepare(report)

    def __len__(self) -> int:
        return self._ends()[-1]

    def load(self, index: int, rng: np.random.Generator, span: Span = OWN) -> Sample:
        """See `Dataset`."""
        dataset, inner = self._find(index)
        return dataset.load(inner, rng, span)

    def clip(self, index: int) -> Clip:
        """See `Dataset`."""
        dataset, inner = self._find(index)
        return dataset.clip(inner)

    def _ends(self) -> list[int]:
        """Where the indices of each data set end; there are as few as name every example of all."""
        parts = zip(self.datasets, self._shares, strict=True)
        length = max(math.ceil(round(len(each) / share, 6)) for each, share in parts)
        return list(accumulate(math.ceil(round(length * share, 6)) for share in self._shares))

    def _find(self, index: int) -> tuple[Dataset, int]:
        ends = self._ends()
        number = bisect_right(ends, index)
        return self.datasets[number], (index - (ends[number - 1] if number else 0)) % len(self.datasets[number])
