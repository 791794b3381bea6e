"""Bring in Paddle: late, quietly, and with a word of advice when it cannot be had."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from ppvsr.errors import PpvsrError, UsageError

OLDEST = 3
ADVICE = "install it with `pip install paddlepaddle`, or see the README for GPUs"


def check_paddle() -> None:
    """Make sure that a usable Paddle is installed, without importing it (which takes seconds).

    Raises PpvsrError with what to install.
    """
    for package in ("paddlepaddle", "paddlepaddle-gpu"):
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        major = re.match(r"\d+", version)
        if major and 0 < int(major[0]) < OLDEST:  # builds from source may call themselves 0.0.0
            raise PpvsrError(f"{package} {version} is too old, ppvsr needs 3.0 or newer: {ADVICE}")
        return
    if importlib.util.find_spec("paddle") is None:  # builds for other chips have other package names
        raise PpvsrError(f"PaddlePaddle is not installed, and all variants but Bicubic need it: {ADVICE}")


def import_paddle() -> Any:
    """Return the module, imported without its start-up chatter. Raises PpvsrError without a usable Paddle."""
    check_paddle()
    os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle's C++ side logs its start-up to stderr
    with _own_signals(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import paddle
    return paddle


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what SIGTERM does: Paddle puts a handler of its own there that prints a C++ trace and ends the process."""
    ours = threading.current_thread() is threading.main_thread()  # others may not choose
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if ours and before is not None:
            signal.signal(signal.SIGTERM, before)


def use_device(device: str | None = None) -> str:
    """Select `device` ("cpu", "gpu", "gpu:1", ...; None: a GPU where Paddle has one, else the CPU) and return its name.

    Raises PpvsrError without Paddle, UsageError for a device that is not there.
    """
    paddle = import_paddle()
    wanted = device or ("gpu" if paddle.device.is_compiled_with_cuda() and paddle.device.cuda.device_count() else "cpu")
    try:
        paddle.device.set_device(wanted)
    except (ValueError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UsageError(f"--device {wanted}: this Paddle cannot use it ({reason}); try --device cpu") from error
    return wanted
