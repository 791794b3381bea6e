"""A place on this machine for the programs of one network with its weights, and its making by one process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

CACHE = "PPVSR_CACHE"  # environment variable, as for weights
PACKAGE = Path(__file__).parents[1]
ROOMS = ("archs", "ops", "runtime")  # whose code decides what a program computes


def place(network: str, options: Mapping[str, Any], weights: Mapping[str, NDArray[Any]], native: str | None) -> Path:
    """Return the folder of a network's programs, which may not exist yet.

    In $PPVSR_CACHE/programs, else $XDG_CACHE_HOME/ppvsr/programs, else ~/.cache/ppvsr/programs, under a name that tells
    networks, options, weights, ppvsr's code, Paddle, the native operator (`native`) and processors apart.
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
    """Return the folder of all programs."""
    if given := os.environ.get(CACHE):
        return Path(given).expanduser() / "programs"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "ppvsr/programs"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """Wait until no other process makes `folder`, then give an empty folder to work in; it does not outlive this.

    Where locks do not work (Windows, some network folders) the folder is this process's own.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "ab") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
            unfinished = Path(f"{folder}.part")
        except (ImportError, OSError):
            unfinished = Path(f"{folder}.{os.getpid()}.part")
        shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
        unfinished.mkdir()
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


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
