"""The programs of a network: from the cache, or made there once by a child process that also proves them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from paddle.nn import Layer

from ppvsr.ops import native as operator
from ppvsr.runtime.cache import PACKAGE, alone, place
from ppvsr.runtime.predictor import load
from ppvsr.runtime.steps import Key, Run
from ppvsr.runtime.workshop import ORDER, VERDICT, WEIGHTS, digest

LOG = "log.txt"
WORKSHOP = (sys.executable, "-m", "ppvsr.runtime.workshop")
PATIENCE = 1800  # seconds after which a child hangs


class NoPrograms(Exception):
    """Why a network cannot be compiled here, in one line."""


def find_programs(
    net: Layer, options: Mapping[str, Any], *, native: bool, threads: int, say: Callable[[str], Any]
) -> dict[Key, tuple[Run, bool]]:
    """Return a program for every call of a step that `net`, made with `options`, does; made at first use.

    native: whether they contain ppvsr's own operator, which is then loaded already.
    say: hears that it takes a while.
    Raises NoPrograms when they cannot be had, or did not pass their proof now or before.
    """
    network = f"{type(net).__module__}:{type(net).__qualname__}"
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    library = operator.library(operator.SOURCES).parent.name if native else None
    try:
        folder = place(network, options, weights, library)
        if not (folder / VERDICT).is_file():
            with alone(folder) as unfinished:
                if not (folder / VERDICT).is_file():  # another process may have been faster
                    began = time.perf_counter()
                    say(f"compiling the network for this machine, once: a minute or so, kept in {folder}")
                    order = {"network": network, "options": dict(options), "native": native, "threads": threads}
                    _order(unfinished, order, weights)
                    _keep(unfinished, folder)
                    say(f"compiled in {time.perf_counter() - began:.0f} s")
        verdict = json.loads((folder / VERDICT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NoPrograms(f"programs cannot be kept: {error}") from error
    if "programs" not in verdict:
        raise NoPrograms(f"{verdict.get('reason')} (remove {folder} to try again)")
    return _load(folder, verdict["programs"], threads)


def _order(folder: Path, order: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Let a child process make and prove the programs in `folder`, and see to it that a verdict is there."""
    (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")
    np.savez(folder / WEIGHTS, **weights)
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "GLOG_minloglevel": "2",
        "PYTHONWARNINGS": "ignore",
    }
    command = [*WORKSHOP, str(folder)]
    with open(folder / LOG, "wb") as log:
        try:
            child = subprocess.run(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise NoPrograms(f"compiling took more than {PATIENCE} s") from error
    (folder / WEIGHTS).unlink()
    code = child.returncode
    if code in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):  # says nothing about the programs
        raise NoPrograms(f"the process that compiles was ended by {signal.Signals(-code).name}; is memory short?")
    if code:
        last = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        reason = f"the proof crashed ({signal.Signals(-code).name})" if code < 0 else f"the proof failed: {last}"
        (folder / VERDICT).write_text(json.dumps({"reason": reason}), encoding="utf-8")


def _keep(unfinished: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # incomplete: somebody removed the verdict
    try:
        unfinished.rename(folder)
    except OSError:
        if not (folder / VERDICT).is_file():  # unless another process, where locks do not work, was faster
            raise


def _load(folder: Path, programs: list[dict[str, Any]], threads: int) -> dict[Key, tuple[Run, bool]]:
    if any(digest(folder / p["file"]) != p["digest"] for p in programs):  # Paddle might crash
        raise NoPrograms(f"{folder} is damaged; remove it to compile again")
    return {tuple(p["key"]): (_late(folder / p["file"], threads), p["several"]) for p in programs}


def _late(path: Path, threads: int) -> Run:
    """Return a program that is loaded when it first runs: all of them together would keep the user waiting."""
    ready = cache(partial(load, path, threads=threads))
    return lambda inputs: ready()(inputs)
