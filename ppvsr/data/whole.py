"""Files that are complete or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ppvsr.errors import DataError

PART = ".part"  # the ending of a file that is not complete; its name begins with a dot


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path beside `path`; what is written there takes that name if the block ends without an error."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


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
