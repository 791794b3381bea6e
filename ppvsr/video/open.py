"""One door for everything that can be read."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

from ppvsr.errors import UsageError
from ppvsr.video.frames import FrameSource, VideoInfo
from ppvsr.video.images import ImageSource, find_images, is_image, match_images
from ppvsr.video.reader import FilmSource


def open_source(
    path: str | Path, *, start: Fraction | None = None, frames: int | None = None, rate: Fraction | None = None
) -> FrameSource:
    """Open a film, a folder of images, or a pattern of images (`frames/%08d.png`, `frames/*.png`); use it in `with`.

    A path that exists is always taken as it is, whatever characters its name has.
    start: seconds after the beginning.  frames: at most so many.  rate: frames per second of images (default 25) and of
    films without timestamps.  Raises UsageError and VideoError, one line each.
    """
    if not str(path):
        raise UsageError("the input has no name; give a film, a folder of images or a pattern such as frames/%08d.png")
    path = Path(path)
    check_part(start, frames, rate)
    frames = None if frames is None else min(frames, sys.maxsize)
    files = images_at(path)
    if files is None:
        return FilmSource(path, start=start, frames=frames, rate=rate)
    return ImageSource(path, files, start=start, frames=frames, rate=rate)


def probe(path: str | Path) -> VideoInfo:
    """What is known of a film or a folder of images; decodes one frame."""
    with open_source(path) as source:
        return source.info


def describe(path: str | Path) -> list[str]:
    """One line for every stream of a film or a folder of images."""
    info = probe(path)
    lines = [f"{each.index}: {each.kind} {each.codec}: {each.detail}" for each in info.streams]
    if info.display_matrix:
        lines[info.stream] += f", display matrix {info.display_matrix}"
    return lines


def images_at(path: Path) -> list[Path] | None:
    """The pictures that a path stands for; None when it is to be read as a film."""
    if path.is_dir():
        return find_images(path)
    if path.exists():
        return [path] if is_image(path) else None
    return match_images(path) or None


def check_part(start: Fraction | None, frames: int | None, rate: Fraction | None) -> None:
    """Refuse parts that no film has."""
    if start is not None and start < 0:
        raise UsageError(f"start {float(start):g}: must not be negative")
    for name, value in (("frames", frames), ("rate", rate)):
        if value is not None and value <= 0:
            raise UsageError(f"{name} {value}: must be more than 0")
