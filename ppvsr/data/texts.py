"""Small text files that data sets come with."""

from __future__ import annotations

from pathlib import Path

from ppvsr.errors import DataError
from ppvsr.whole import written_whole


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
