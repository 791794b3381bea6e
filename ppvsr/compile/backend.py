"""A place on this machine for the programs of one network with its weights, and its making by one process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppvsr.runtime.places import cache_folder

PACKAGE = Path(__file__).parents[1]
ROOMS = ("archs", "ops", "runtime")  # whose code decides what a program computes


def place(network: str, options: Mapping[str, Any], weights: Mapping[str, NDArray[Any]], native: str | None) -> Path:
    """Return the folder of a network's programs, which may not exist yet.

    In the folder of `home`, under a name that tells networks, options, weights, ppvsr's code, Paddle, the native
    operator (`native`) and processors apart; the number of threads makes no other programs. Raises OSError.
    """
    digest = hashlib.sha256()
    facts = [network, json.dumps(dict(options), sort_keys=True), paddle.__version__, paddle.version.commit]
    for fact in (*facts, str(native), platform.machine(), _processor(), *_code()):
        digest.update(fact.encode() + b"\0")
    for name in sorted(weights):
        digest.update(name.encode() + str(weights[name].shape).encode())
        digest.update(np.ascontiguousarray(weights[name]).data)
    return home() / f"{network.rpartition(':')[2]}-{digest.hexdigest()[:20]}"


def home() -> Path:
    """Return the folder of all programs. Raises OSError."""
    return cache_folder("programs")


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
                continue  # the one that held it before has tidied up (ppvsr.runtime.upkeep)
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


def _code() -> Iterator[str]:
    for room in ROOMS:
        for path in sorted((PACKAGE / room).glob("*.py")):
            yield f"{path.name}\n{path.read_text(encoding='utf-8')}"


def _processor() -> str:
    """Return what this processor can do: other instructions may mean other kernels, and other bugs."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
