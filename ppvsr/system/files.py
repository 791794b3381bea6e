"""Files that are complete or not there, that outlast a power cut, and how to know them again."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ppvsr.errors import DataError, WeightsError

# ---- Files that are either complete or not there, whatever happens while they are written.

PART = ".part"  # the ending of a file that is not complete; its name begins with a dot


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path beside `path`; what is written there takes that name if the block ends without an error.

    Raises OSError.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


# ---- Weight files that are complete, and on the disk, or not there.


def replace_file(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file beside `path` and let it take that name when it is complete and on the disk.

    Raises WeightsError when it cannot be written; then `path` is what it was before.
    """
    try:
        with written_whole(path) as unfinished, unfinished.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, too, where systems let a program ask for it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---- Files that outlast a power cut, and how to know them again.

BLOCK = 1 << 20
# What file systems answer that do not bring folders to the disk.
NO_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder (where systems can), to the disk. Raises OSError."""
    is_folder = path.is_dir()
    if is_folder and not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if not is_folder or error.errno not in NO_FOLDERS:
            raise
    finally:
        os.close(handle)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file that is either what it was before or holds `data`, whatever happens. Raises OSError."""
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    sync(path.parent)


def measure(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file, or of all files in a folder with their names. Raises OSError."""
    total, digest = 0, hashlib.sha256()
    for each in sorted(path.iterdir()) if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(f"{each.name}\0{each.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        for block in blocks(each):
            digest.update(block)
            total += len(block)
    return total, digest.hexdigest()


def blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes, piece by piece."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there; what resists stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


# ---- Small text files that data sets come with.


def write_text(path: Path, text: str) -> None:
    """Write a text; leave the file alone if it says the same already. Raises DataError."""
    data = text.encode()
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as unfinished:
            unfinished.write_bytes(data)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
