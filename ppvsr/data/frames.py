"""Clips that are read when they are needed: pictures, packed files, arrays; and what data sets make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol, TypedDict, runtime_checkable

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ppvsr.data.pictures import picture_size, read_picture
from ppvsr.data.spans import OWN, Span
from ppvsr.errors import DataError

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
