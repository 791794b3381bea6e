"""The folder beside a target in which the work for it goes on: made, held by one process, kept tidy."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ppvsr.errors import UsageError
from ppvsr.video.disk import remove
from ppvsr.video.ledger import NAME, read_ledger

try:
    import fcntl
except ImportError:  # Windows: nobody is kept out
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
# What we call things in there; a folder that holds anything else and no ledger is somebody else's.
OURS = re.compile(rf"{LOCK}|{re.escape(NAME)}|\d{{6,}}|.*\.part|old")


@contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Make the folder, if need be, and hold it until the block ends.

    Raises UsageError when it cannot be made, is held by another process, or is not for us.
    """
    while True:
        make(folder)
        if fcntl is None:
            yield
            return
        try:
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # whoever held it has just removed the folder
            continue
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written: {error.strerror}; choose another --output") from error
        try:
            hold(handle, folder)
            if still_there(handle, folder / LOCK):  # else whoever held it has just removed it
                yield
                return
        finally:
            os.close(handle)


def make(folder: Path) -> None:
    """Make the folder or see that it is one of ours."""
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError(f"{folder}: is in the way of the folder for the work; move it away")
        folder.mkdir(exist_ok=True)
        strange = [each for each in os.listdir(folder) if not OURS.fullmatch(each)]
        if strange and read_ledger(folder) is None:
            raise UsageError(f"{folder}: holds {strange[0]!r}, which no work of ppvsr left there; move it away")
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; choose another --output") from error


def hold(handle: int, folder: Path) -> None:
    """Lock the file behind `handle`, where file systems can."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"{folder}: another process works there; wait for it or choose another --output") from error
    except OSError:  # some network file systems have no locks
        pass


def still_there(handle: int, path: Path) -> bool:
    """Whether `path` is the file that is open."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def tidy(folder: Path, keep: Collection[str]) -> None:
    """Remove what unfinished work left: everything but the lock and the names to keep."""
    for each in folder.iterdir():
        if each.name != LOCK and each.name not in keep:
            remove(each)


def abandon(folder: Path) -> None:
    """Remove the folder, in an order in which nobody takes what is half removed for a beginning."""
    with suppress(OSError):  # another process may have come in as soon as the lock was gone
        tidy(folder, {NAME})
        (folder / NAME).unlink(missing_ok=True)
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
