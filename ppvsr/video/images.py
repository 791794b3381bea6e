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
from ppvsr.video.frames import Color, Frame, Image, StreamInfo, VideoInfo
from ppvsr.video.names import check_target, partial_path

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
    """Writes frames as PNG, 8 or 16 bits, into a folder that appears when the `with` block ends well.

    Pictures are called like the pictures they come from, those of films 00000000.png and so on.
    An older folder is replaced at the end; one that holds anything but PNG is refused.

    target: the folder.  info: of the source.  Raises UsageError for a target that cannot be written.
    """

    def __init__(self, target: Path, info: VideoInfo):
        check_target(target, "png")
        self.notes: list[str] = []
        self._target = target
        self._partial = partial_path(target)
        self._names = info.names if len(set(info.names)) == len(info.names) else ()
        self._rate = info.rate
        self._numbers = count()

    def __enter__(self) -> ImageWriter:
        self._partial.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def write(self, frame: Frame) -> None:
        """Append one frame, (h, w, 3); raises VideoError when the disk refuses."""
        number = next(self._numbers)
        name = self._names[round(frame.time * self._rate)] if self._names else f"{number:08d}"
        write_png(self._partial / f"{name}.png", frame.image)

    def _finish(self) -> None:
        written, found = next(self._numbers), len(list(self._partial.iterdir()))
        if not written or found != written:
            raise VideoError(f"{self._target}: {found} of {written} frames arrived in the folder; it is not kept")
        old = self._partial.with_suffix(".old")
        if self._target.exists():
            os.replace(self._target, old)
        os.replace(self._partial, self._target)
        shutil.rmtree(old, ignore_errors=True)


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
    """Write RGB as PNG; raises VideoError when that fails."""
    data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise VideoError(f"{path}: cannot be written: {error.strerror}") from error
