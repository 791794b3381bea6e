"""`auto | compiled | dygraph`: how the steps of a network run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import paddle
from paddle.nn import Layer

from ppvsr.errors import PpvsrError
from ppvsr.ops.deform import use_native
from ppvsr.runtime.allocator import keep_memory
from ppvsr.runtime.processors import available_threads
from ppvsr.runtime.programs import NoPrograms, find_programs
from ppvsr.runtime.steps import replace_steps, restore_steps

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
