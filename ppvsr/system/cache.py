"""The cache of what was compiled: places, locks, tidying up. Needs no Paddle."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# ---- A place on this machine for the programs of one network with its weights, and its making by one process.


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """Wait until no other process makes `folder`, then give an empty folder to work in; it does not outlive this.

    Its name is new each time: a child of a process that was killed may still write into the last one, which is removed.
    Where locks do not work (Windows, some network folders) several processes may make `folder` at the same time.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(Path(f"{folder}.lock")) as locked:
        if locked:
            for left in folder.parent.glob(f"{folder.name}.*.part"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
        unfinished.chmod(0o755)
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold a lock for as long as the context lasts; yield whether there is such a thing here."""
    while True:
        with open(path, "ab") as file:
            locked = _flock(file)
            if locked and not _same(file, path):
                continue  # the one that held it before has tidied up (ppvsr.system.cache)
            yield locked
            return


def _flock(file: IO[bytes]) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True


def _same(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


# ---- Where things that were compiled on this machine are kept. Needs no Paddle.

CACHE = "PPVSR_CACHE"  # environment variable, as for weights
KINDS = ("programs", "native")  # of networks, and of ppvsr's own operators (ppvsr/ops/build.py)


def cache_folder(kind: str) -> Path:
    """Return the folder of all that is of a kind: in $PPVSR_CACHE, else $XDG_CACHE_HOME/ppvsr, else ~/.cache/ppvsr.

    It may not exist yet. Raises OSError where nobody knows the home folder.
    """
    try:
        if given := os.environ.get(CACHE):
            root = Path(given).expanduser()
        else:
            root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "ppvsr"
    except RuntimeError as error:  # a user without a name, in a container
        raise OSError(f"this user has no home folder; name a folder by ${CACHE}") from error
    return root.absolute() / kind


# ---- What lies in the cache of compiled things, and how it is tidied up. Needs no Paddle.

DAY = 86400  # seconds
NAME = re.compile(r"(\w+-)?[0-9a-f]{20}")  # of what is kept; whatever else lies there is somebody else's


@dataclass(frozen=True)
class Kept:
    """All that belongs to one name: the finished folder, if there is one, and what was left by those who made it.

    size: bytes.  used: seconds since 1970, when it was last needed, or made.  finished: whether it can be used.
    """

    place: Path
    kind: str
    size: int
    used: float
    finished: bool


def inventory() -> list[Kept]:
    """Return what is kept, the last used first. Raises OSError where the cache cannot be looked at."""
    kept = [_look(folder / name, kind) for kind, folder in _folders() for name in _names(folder)]
    return sorted(kept, key=lambda each: -each.used)


def clean(days: float) -> list[Kept]:
    """Remove what nothing has needed for so many days, and what killed processes left; return what was removed.

    What a process is making at this moment stays. Raises OSError where the cache cannot be looked at.
    """
    oldest = time.time() - days * DAY
    removed = []
    for each in inventory():
        with _free(each.place) as free:
            if not free:
                continue
            if each.used <= oldest or not each.finished:
                for path in _parts(each.place):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
                removed.append(each)
    return removed


def _folders() -> Iterator[tuple[str, Path]]:
    for kind in KINDS:
        if (folder := cache_folder(kind)).is_dir():
            yield kind, folder


def _names(folder: Path) -> list[str]:
    names = {path.name.partition(".")[0] for path in folder.iterdir()}
    return sorted(name for name in names if NAME.fullmatch(name))


def _parts(place: Path) -> list[Path]:
    return [path for path in place.parent.iterdir() if path.name.partition(".")[0] == place.name]


def _look(place: Path, kind: str) -> Kept:
    """Describe what is there; the files may go while one looks."""
    size, used = 0, 0.0
    for part in _parts(place):
        for path in (part, *part.rglob("*")):
            with contextlib.suppress(OSError):
                about = path.stat()
                used = max(used, about.st_mtime)
                size += about.st_size if path.is_file() else 0
    return Kept(place, kind, size, used, finished=place.is_dir())


@contextlib.contextmanager
def _free(place: Path) -> Iterator[bool]:
    """Hold the lock of those who make `place`, if nobody else does; yield whether nobody does."""
    lock = Path(f"{place}.lock")
    if not lock.is_file():  # nobody ever made it here
        yield True
        return
    with open(lock, "ab") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows: nobody holds locks there
            pass
        except OSError:
            yield False
            return
        yield True
