"""Files that are either complete or not there, whatever happens while they are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
