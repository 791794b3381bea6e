"""The programs of a network: from the cache, or made there once by a child process that also proves them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from paddle.nn import Layer

from ppvsr.child import command, run
from ppvsr.ops import native as operator
from ppvsr.runtime.cache import alone, place
from ppvsr.runtime.places import CACHE
from ppvsr.runtime.predictor import load
from ppvsr.runtime.steps import Key, Run
from ppvsr.runtime.verdict import read_verdict, remember_use
from ppvsr.runtime.workshop import ORDER, VERDICT, WEIGHTS

WORKSHOP = command("ppvsr.runtime.workshop")
PATIENCE = 1800  # seconds after which a child hangs


class NoPrograms(Exception):
    """Why a network cannot be compiled here, in one line."""


def find_programs(
    net: Layer, options: Mapping[str, Any], *, native: bool, threads: int, say: Callable[[str], Any]
) -> dict[Key, tuple[Run, bool]]:
    """Return a program for every call of a step that `net`, made with `options`, does; made at first use.

    native: whether they contain ppvsr's own operators, which are then loaded already.
    say: hears that it takes a while.
    Programs that were damaged are made again.
    Raises NoPrograms when they cannot be had, or did not pass their proof now or before.
    """
    order = {"network": _name(net), "options": dict(options), "native": native, "threads": threads}
    try:
        folder = whereabouts(net, options, native=native)
        verdict = read_verdict(folder) or _make(folder, order, _weights(net), say)
    except OSError as error:
        raise NoPrograms(f"programs cannot be kept: {error}; name another folder by ${CACHE}") from error
    if "reason" in verdict:
        raise NoPrograms(f"{verdict['reason']} (remove {folder} to try again)")
    remember_use(folder)
    return {tuple(p["key"]): (_late(folder / p["file"], threads), p["several"]) for p in verdict["programs"]}


def whereabouts(net: Layer, options: Mapping[str, Any], *, native: bool) -> Path:
    """Return the folder of the programs of `net`, see `find_programs`; it may not exist. Raises OSError."""
    library = operator.library(operator.SOURCES).parent.name if native else None
    return place(_name(net), options, _weights(net), library)


def _name(net: Layer) -> str:
    return f"{type(net).__module__}:{type(net).__qualname__}"


def _weights(net: Layer) -> dict[str, Any]:
    return {name: value.numpy() for name, value in net.state_dict().items()}


def _make(
    folder: Path, order: Mapping[str, Any], weights: Mapping[str, Any], say: Callable[[str], Any]
) -> dict[str, Any]:
    """Make the programs in `folder`, unless another process does, and return their verdict."""
    with alone(folder) as unfinished:
        if verdict := read_verdict(folder):  # another process was faster
            return verdict
        began = time.perf_counter()
        say(f"compiling the network for this machine, once: a minute or so, kept in {folder}")
        _order(unfinished, order, weights)
        (unfinished / WEIGHTS).unlink()
        verdict = read_verdict(unfinished)
        if verdict is None:
            raise NoPrograms("the process that compiles ended without a verdict")
        _keep(unfinished, folder)
        say(f"compiled in {time.perf_counter() - began:.0f} s")
        return verdict


def _order(folder: Path, order: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """Let a child process make and prove the programs in `folder`; where that fails for good, the verdict says so."""
    (folder / ORDER).write_text(json.dumps(order), encoding="utf-8")
    np.savez(folder / WEIGHTS, **weights)
    ending = run([*WORKSHOP, str(folder)], folder, patience=PATIENCE)
    if ending.code is None:
        _refuse(folder, f"compiling took more than {PATIENCE} s")
    elif ending.signal in ("SIGKILL", "SIGTERM", "SIGINT"):  # says nothing about the programs
        raise NoPrograms(f"the process that compiles was ended by {ending.signal}; is memory short?")
    elif ending.code:
        last = ending.last_line or f"exit code {ending.code}"
        if ending.short:  # neither does this
            raise NoPrograms(f"the process that compiles ran short of memory or disk: {last}")
        _refuse(folder, f"the proof crashed ({ending.signal})" if ending.signal else f"the proof failed: {last}")


def _refuse(folder: Path, reason: str) -> None:
    (folder / VERDICT).write_text(json.dumps({"reason": reason}), encoding="utf-8")


def _keep(unfinished: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # damaged, or somebody removed the verdict
    try:
        unfinished.rename(folder)
    except OSError:
        if read_verdict(folder) is None:  # unless another process, where locks do not work, was faster
            raise


def _late(path: Path, threads: int) -> Run:
    """Return a program that is loaded when it first runs: all of them together would keep the user waiting."""
    ready = cache(partial(load, path, threads=threads))
    return lambda inputs: ready()(inputs)
