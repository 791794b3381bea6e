"""`auto | compiled | dygraph`: how a network runs. Its programs come from the cache, or are made and proved once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.nn import Layer

from ppvsr.compile.steps import Key, Run, load, replace_steps, restore_steps
from ppvsr.compile.worker import ORDER, VERDICT, WEIGHTS, digest
from ppvsr.errors import PpvsrError
from ppvsr.ops import build
from ppvsr.ops import native as operator
from ppvsr.ops.deform import use_native
from ppvsr.system.cache import CACHE, alone, cache_folder
from ppvsr.system.machine import available_threads, keep_memory
from ppvsr.system.process import command, run

# ---- A place on this machine for the programs of one network with its weights, and its making by one process.

PACKAGE = Path(__file__).parents[1]
ROOMS = ("archs", "ops", "compile")  # whose code decides what a program computes


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


# ---- What a child process found out about the programs in a folder, read as something that may be damaged.


def read_verdict(folder: Path) -> dict[str, Any] | None:
    """Return the verdict: `reason` against the programs, or `programs`, whose files are what was proved.

    None is no verdict: there is none, or it or a program was damaged (a disk that was switched off, somebody's hand):
    Paddle might crash on such a program. Raises OSError where there is one that may not be read.
    """
    try:
        verdict = json.loads((folder / VERDICT).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    if not isinstance(verdict, dict):
        return None
    if isinstance(verdict.get("reason"), str):
        return verdict
    programs = verdict.get("programs")
    sound = isinstance(programs, list) and programs and all(_sound(folder, each) for each in programs)
    return verdict if sound else None


def remember_use(folder: Path) -> None:
    """Note that the programs were used now, for `ppvsr-doctor --clean`; where that cannot be written, nothing is."""
    with contextlib.suppress(OSError):
        os.utime(folder / VERDICT)


def _sound(folder: Path, program: Any) -> bool:
    if not isinstance(program, dict):
        return False
    key, file, several = (program.get(name) for name in ("key", "file", "several"))
    words = isinstance(key, list) and key and all(isinstance(word, str) for word in key)
    within = isinstance(file, str) and file == Path(file).name
    if not words or not within or not isinstance(several, bool):
        return False
    found = digest(folder / str(file))
    return bool(found) and found == program.get("digest")


# ---- The programs of a network: from the cache, or made there once by a child process that also proves them.

WORKSHOP = command("ppvsr.compile.worker")
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
    library = build.library(operator.SOURCES).parent.name if native else None
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


# ---- `auto | compiled | dygraph`: how the steps of a network run.

Backend = Literal["auto", "compiled", "dygraph"]
BACKENDS: tuple[Backend, ...] = ("auto", "compiled", "dygraph")


def use_backend(
    net: Layer,
    options: Mapping[str, Any],
    backend: Backend = "auto",
    *,
    threads: int | None = None,
    say: Callable[[str], Any] = lambda line: None,
) -> Backend:
    """Let a network that has its weights, for evaluation on the device in use, run on a backend; return which.

    net: built with `options`.  threads: of the CPU, by default all that this process may use.
    `dygraph` is Paddle as it is.  `compiled` runs the steps of the network by Paddle Inference with oneDNN, CPU only,
    and convolutions by ppvsr's own operators where there is a compiler; at first use this takes a minute.
    `auto` is compiled where that works, with one line said where it does not.
    Raises PpvsrError when `compiled` is asked for and cannot be had.
    """
    if hasattr(net, "steps"):
        restore_steps(net)
    threads = threads or available_threads()
    on_cpu = paddle.get_device() == "cpu"
    if on_cpu:
        paddle.base.core.set_num_threads(threads)
    if backend == "dygraph" or (backend == "auto" and not on_cpu):
        use_native(net, on=False)
        return "dygraph"
    try:
        if not on_cpu:
            raise NoPrograms(f"steps are compiled for the CPU only, not for {paddle.get_device()}")
        if not getattr(net, "steps", ()):
            raise NoPrograms(f"{type(net).__name__} has no steps that can be compiled")
        if missing := use_native(net):
            say(missing)
        replace_steps(net, find_programs(net, options, native=not missing, threads=threads, say=say))
    except NoPrograms as error:
        if backend == "compiled":
            raise PpvsrError(f"--backend compiled: {error}; --backend dygraph always works") from error
        say(f"not compiled, which costs speed only: {error}")
        return "dygraph"
    keep_memory()
    return "compiled"
