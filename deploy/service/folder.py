"""The folder for uploads and results: private, gone when the service ends, or else when the next one starts."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ppvsr.errors import UsageError

PREFIX = "ppvsr-serve-"


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """Make a folder below `parent`, and remove it in the end. Raises UsageError when that is not possible.

    A running service holds a lock on its folder; those of services that were killed are found by that and removed.
    """
    try:
        for old in parent.glob(f"{PREFIX}*"):
            _remove_if_left(old)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()
    except OSError as error:
        raise UsageError(f"--folder {parent}: cannot be written: {error.strerror}; choose another one") from error
    try:
        with (folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # in use, about to be, or somebody else's
        return
