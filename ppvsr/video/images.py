"""Folders of pictures, read as a film and written as the result of one."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from ppvsr.errors import UsageError, VideoError
from ppvsr.system.files import sync
from ppvsr.video.frames import Color, Frame, Image, StreamInfo, VideoInfo

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
RATE = Fraction(25)


class ImageSource:
    """Pictures of one size as a film; iterate once.

    files: the pictures, in order.  path: what to call them all.  start, frames: as for films.
    rate: frames per second; None is 25.  Transparency is dropped, grey and palettes become RGB.  16-bit pictures give
    uint16 frames; pictures of another depth than the first are brought to its depth.
    Raises UsageError when no picture is left to read and VideoError when the first one is unreadable or another one has
    another size.  Later unreadable ones are left out; their place in time stays empty, and `damage` counts them.
    """

    def __init__(
        self,
        path: Path,
        files: Sequence[Path],
        *,
        start: Fraction | None = None,
        frames: int | None = None,
        rate: Fraction | None = None,
    ):
        self.notes: list[str] = [] if rate else [f"no frame rate given: {RATE} frames per second are assumed"]
        self.damage: str | None = None
        rate = rate or RATE
        first = math.ceil((start or 0) * rate)
        self._files = list(files)[first:][:frames]
        if not self._files:
            raise UsageError(f"{path}: holds no images to read{f' from {float(start):g} s on' if start else ''}")
        image = read_image(self._files[0])
        if image is None:
            raise VideoError(f"{self._files[0]}: is not a readable image")
        if has_alpha(self._files[0]):
            self.notes.append("transparency is dropped")
        self.info = describe_images(path, self._files, image, rate, whole=len(self._files) == len(files))

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        unreadable = []
        duration = 1 / self.info.rate
        for index, file in enumerate(self._files):
            image = read_image(file)
            if image is None:
                unreadable.append(file.name)
                continue
            if image.shape != (self.info.height, self.info.width, 3):
                size, first = f"{image.shape[1]}x{image.shape[0]}", f"{self.info.width}x{self.info.height}"
                raise VideoError(f"{file}: is {size}, but the first image is {first}; a film has one size")
            yield Frame(to_depth(image, self.info.bits), index * duration, duration)
        if unreadable:
            names = ", ".join(unreadable[:3]) + (", ..." if len(unreadable) > 3 else "")
            self.damage = f"{len(unreadable)} of {len(self._files)} images could not be read: {names}"


class ImageWriter:
    """Writes frames as PNG, 8 or 16 bits, into a folder of their own: a segment of a folder of pictures.

    Pictures are called like the pictures they come from; those of films are counted, and get their final names when
    segments are joined.  frames: so far.

    folder: will be made.  target: of the whole, for messages.  info: of the source.
    """

    def __init__(self, folder: Path, target: Path, info: VideoInfo):
        self._folder = folder
        self._target = target
        self._info = info
        self.frames = 0

    def write(self, frame: Frame) -> None:
        """Append one frame, (h, w, 3); raises OSError when the disk refuses."""
        if not self.frames:
            self._folder.mkdir()
        names = names_in(self._info)
        name = names[round(frame.time * self._info.rate)] if names else f"{self.frames:08d}"
        write_png(self._folder / f"{name}.png", frame.image)
        self.frames += 1

    def finish(self) -> None:
        """Bring the pictures to the disk and see that each frame is there."""
        if not self.frames:
            raise VideoError(f"{self._target}: not one frame was written")
        files = list(self._folder.iterdir())
        if len(files) != self.frames:
            raise VideoError(f"{self._target}: {len(files)} of {self.frames} frames arrived in the folder")
        for each in [*files, self._folder]:
            sync(each)

    def close(self) -> None:
        """Do nothing; there is nothing open."""


def join_images(folder: Path, segments: Sequence[Path], info: VideoInfo) -> None:
    """Make a folder of the pictures of these segments, in this order; they stay where they are, too. Raises OSError."""
    numbers = count()
    folder.mkdir()
    for segment in segments:
        for file in sorted(segment.iterdir()):
            name = file.name if names_in(info) else f"{next(numbers):08d}.png"
            try:
                os.link(file, folder / name)
            except (OSError, AttributeError):  # a file system that cannot give a file two names
                shutil.copyfile(file, folder / name)


def names_in(info: VideoInfo) -> tuple[str, ...]:
    """What to call the pictures, by number; empty when they have no names of their own, or the same ones."""
    return info.names if len(set(info.names)) == len(info.names) else ()


def find_images(path: Path) -> list[Path]:
    """The pictures of a folder, in natural order (2 before 10); raises UsageError when there is none."""
    files = sorted((each for each in path.iterdir() if is_image(each)), key=natural)
    if not files:
        raise UsageError(f"{path}: holds no images ({', '.join(sorted(SUFFIXES))})")
    return files


def match_images(pattern: Path) -> list[Path]:
    """The pictures that `frames/%08d.png` or `frames/*.png` stand for; empty when there are none."""
    if re.search(r"%\d*d", pattern.name):
        parts = re.split(r"%0?(\d*)d", pattern.name)
        numbers = [rf"\d{{{width or 1},}}" for width in parts[1::2]]
        regex = "".join(re.escape(text) + number for text, number in zip(parts[::2], [*numbers, ""], strict=True))
        found = [each for each in pattern.parent.glob("*") if re.fullmatch(regex, each.name)]
    else:
        found = list(pattern.parent.glob(pattern.name))
    return sorted((each for each in found if is_image(each)), key=natural)


def is_image(path: Path) -> bool:
    """Whether a file is a picture, by its ending."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def natural(path: Path) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by value."""
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def describe_images(path: Path, files: list[Path], image: Image, rate: Fraction, *, whole: bool) -> VideoInfo:
    """The facts of a film made of pictures."""
    kind = files[0].suffix.lower().removeprefix(".")
    return VideoInfo(
        path=path,
        width=image.shape[1],
        height=image.shape[0],
        bits=8 * image.dtype.itemsize,
        rate=rate,
        time_base=1 / rate,
        frames=len(files),
        duration=len(files) / rate,
        container="images",
        color=Color("gbr", "pc"),
        streams=(StreamInfo(0, "video", kind, f"{image.shape[1]}x{image.shape[0]}, {len(files)} images"),),
        whole=whole,
        names=tuple(each.stem for each in files),
    )


def read_image(path: Path) -> Image | None:
    """Read a picture as RGB (h, w, 3), uint8 or uint16; None when it is damaged or no picture."""
    # Not cv2.imread: it cannot open every name on every system.
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if data.size else None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        return None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def has_alpha(path: Path) -> bool:
    """Whether a picture holds transparency."""
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    return image is not None and image.ndim == 3 and image.shape[2] == 4


def to_depth(image: Image, bits: int) -> Image:
    """Bring samples to 8 or 16 bits; white stays white."""
    if bits == 8 * image.dtype.itemsize:
        return image
    return image.astype(np.uint16) * 257 if bits == 16 else ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def write_png(path: Path, image: Image) -> None:
    """Write RGB as PNG; raises OSError."""
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())
