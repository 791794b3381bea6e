"""Checks that may crash, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ppvsr.assemble.doctor_finding import PROBLEM, WARNING, Finding
from ppvsr.child import Ending, command, environment

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
            env=environment(GLOG_minloglevel="3"),  # the last line counts
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
        ending = Ending(child.returncode, trouble.read())
    if hangs.is_set():
        yield Finding(NAMES[name], WARNING, f"no end after {patience:.0f} s", "try again when the machine is less busy")
    elif ending.code:
        yield Finding(NAMES[name], PROBLEM, _describe(ending), ADVICE)


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


def _describe(ending: Ending) -> str:
    """Say how a child ended: the signal, or the last line that it wrote."""
    if ending.signal:
        return f"crashed ({ending.signal})"
    last = ending.last_line
    return f"failed: {last}" if last else f"failed with exit code {ending.code}"
