"""Films decoded once, into a cache that samples are read from.

For each film the cache holds its frames in one file, `<name>-<place>-<state>.npy`, (t, h, w, 3) uint8 RGB, and beside
it a .json with what else is known. `place` stands for the film's path, `state` for its size and time of change: a film
that has changed is decoded anew, and what the cache held of it is deleted.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ppvsr.data.frames import PackedFrames, Report, write_head
from ppvsr.errors import DataError, VideoError
from ppvsr.video.frames import FrameSource
from ppvsr.video.images import to_depth
from ppvsr.video.open import open_source
from ppvsr.video.scenes import mark_cuts
from ppvsr.whole import written_whole

SUFFIXES = {
    ".3g2", ".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".mxf", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv",
}  # fmt: skip
VERSION = 1  # of the cache: frames and cuts that this code would find otherwise
FRAMES_PER_LINE = 1000  # frames between two lines of progress


@dataclass(frozen=True)
class Film:
    """A film in the cache.

    frames, height, width: of what could be decoded.  cuts: the frames that begin a new scene, without 0.
    damage: what was lost, in a sentence, or None.
    """

    frames: int
    height: int
    width: int
    cuts: tuple[int, ...]
    damage: str | None

    def scenes(self) -> list[range]:
        """The frames of each scene."""
        ends = [0, *self.cuts, self.frames]
        return [range(*each) for each in pairwise(ends)]


class FilmCache:
    """Decoded films in a folder, which is made when the first one is written."""

    def __init__(self, folder: Path):
        self._folder = folder

    def find(self, path: Path) -> tuple[Film, PackedFrames] | None:
        """A film as it was decoded before, or None."""
        facts, pixels = self._files(path)
        try:
            known = json.loads(facts.read_text(encoding="utf-8"))
            film = Film(**{**known, "cuts": tuple(known["cuts"])})
            packed = PackedFrames(pixels)
            whole = packed.shape == (film.frames, film.height, film.width, 3)
        except (OSError, ValueError, KeyError, TypeError, DataError):
            return None
        return (film, packed) if whole else None

    def add(self, path: Path, report: Report) -> tuple[Film, PackedFrames]:
        """Decode a film.

        10 and 12 bits become 8 by rounding; rotation for display is not applied; frames keep the film's own size.
        Raises VideoError or UsageError when it cannot be read, DataError when the cache cannot be written.
        """
        facts, pixels = self._files(path)
        with open_source(path) as source, self._writable():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._check_space(source)
            with unfinished(pixels) as file:
                count, cuts = decode(source, file, report)
            info = source.info
            film = Film(count, info.height, info.width, tuple(cuts), source.damage)
            for note in source.notes:
                report(f"{path.name}: {note}")
            with unfinished(facts) as file:
                file.write(json.dumps(asdict(film)).encode())
        for old in self._folder.glob(f"*-{identity(path)}-*"):
            if old not in (facts, pixels) and not old.name.startswith("."):  # dots: what another process writes now
                old.unlink(missing_ok=True)
        return film, PackedFrames(pixels)

    def _files(self, path: Path) -> tuple[Path, Path]:
        try:
            state = path.stat()
        except OSError as error:
            raise VideoError(f"{path}: cannot be read: {error.strerror}") from error
        stem = f"{path.stem[:60]}-{identity(path)}-{short(f'{state.st_size} {state.st_mtime_ns} {VERSION}')}"
        return self._folder / f"{stem}.json", self._folder / f"{stem}.npy"

    def _check_space(self, source: FrameSource) -> None:
        info = source.info
        needed, free = (info.frames or 0) * info.height * info.width * 3, shutil.disk_usage(self._folder).free
        if needed > free:
            raise DataError(
                f"{self._folder}: {info.path.name} takes {needed / 1e9:.1f} GB when decoded, and {free / 1e9:.1f} GB "
                "are free; set `cache` to a folder on a larger disk, or cut the film shorter"
            )

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self._folder}: decoded films cannot be written: {error.strerror or error}; "
                "set `cache` to a folder with room where you may write"
            ) from error


def decode(source: FrameSource, file: BinaryIO, report: Report) -> tuple[int, list[int]]:
    """Write all frames as a .npy file; return how many there are, and where scenes begin."""
    size = (source.info.height, source.info.width, 3)
    begin = write_head(file, (0, *size))
    count, cuts = 0, []
    for frame, cut in mark_cuts(source, lambda each: each.image):
        file.write(np.ascontiguousarray(to_depth(frame.image, 8)).data)
        cuts += [count] if cut else []
        count += 1
        if count % FRAMES_PER_LINE == 0:
            report(f"{source.info.path.name}: {count} of {source.info.frames or 'an unknown number of'} frames decoded")
    file.seek(0)
    assert write_head(file, (count, *size)) == begin, "the head keeps its length: numpy leaves room for the first axis"
    return count, cuts


@contextmanager
def unfinished(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when it is complete, and vanishes when it does not."""
    with written_whole(path) as part, part.open("wb") as file:
        yield file


def identity(path: Path) -> str:
    """Letters that stand for the place of a film."""
    return short(str(path.resolve()))


def short(text: str) -> str:
    """Twelve letters that stand for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]
