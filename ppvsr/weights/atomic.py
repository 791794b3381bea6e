"""Weight files that are complete, and on the disk, or not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ppvsr.errors import WeightsError
from ppvsr.whole import written_whole


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
