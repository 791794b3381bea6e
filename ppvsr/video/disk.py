"""Files that outlast a power cut, and how to know them again."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

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
