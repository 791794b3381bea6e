"""The packed cache: one file per clip and half, of which training reads windows without decoding anything.

    <folder>/GT/000.9d31f6.1a2b3c4d5e6f.npy        (t, h, w, 3) uint8

The name holds a digest of the pictures' place and one of their sizes and dates: a file for other pictures is never
taken, and packing another data set into the same folder leaves these alone.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from ppvsr.data.frames import ImageFrames, Report, write_head
from ppvsr.errors import DataError
from ppvsr.whole import written_whole

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
