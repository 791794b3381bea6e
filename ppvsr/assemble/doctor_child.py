"""Checks that may crash, in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ppvsr.assemble.child import command, environment
from ppvsr.assemble.doctor_finding import PROBLEM, WARNING, Finding

INSIDE = "ppvsr.assemble.doctor_inside"
NAMES = {
    "paddle": "Paddle",
    "films": "FFmpeg",
    "backends": "backends",
    "test_film": "test: a film",
    "test_network": "test: a network",
    "build": "building",
}
ADVICE = "install it again, in a fresh virtual environment"


def inspect(name: str, *, patience: float, say: Callable[[str], Any] = lambda line: None) -> Iterator[Finding]:
    """Yield what the check `name` of ppvsr.assemble.doctor_inside finds, or how its process ended.

    patience: seconds.  say: hears lines of progress.
    """
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as trouble:
        child = subprocess.Popen(
            command(INSIDE, name),
            env=environment(),
            stdin=null,
            stdout=pipe,
            stderr=trouble,
            text=True,
            errors="replace",
        )
        hangs = threading.Event()
        timer = threading.Timer(patience, _end, (child, hangs))
        timer.start()
        with child:
            try:
                yield from _listen(child, say)
            except GeneratorExit:  # nobody listens any more
                child.kill()
                raise
            finally:
                timer.cancel()
        trouble.seek(0)
        text = trouble.read()
    if hangs.is_set():
        yield Finding(NAMES[name], WARNING, f"no end after {patience:.0f} s", "try again when the machine is less busy")
    elif child.returncode:
        yield Finding(NAMES[name], PROBLEM, _ending(child.returncode, text), ADVICE)


def _end(child: subprocess.Popen[str], hangs: threading.Event) -> None:
    hangs.set()
    child.kill()


def _listen(child: subprocess.Popen[str], say: Callable[[str], Any]) -> Iterator[Finding]:
    """Yield the findings that a child prints, one line of JSON each; what libraries print is passed over."""
    assert child.stdout
    for line in child.stdout:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict) and "say" in message:
            say(message["say"])
        elif isinstance(message, dict) and "level" in message:
            yield Finding(**message)


def _ending(code: int, text: str) -> str:
    """Say how a child ended: the signal, or the last line that it wrote."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"crashed ({name})"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"failed: {lines[-1]}" if lines else f"failed with exit code {code}"
