"""Modules of ours as processes of their own, which may crash, and how those ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppvsr.errors import PpvsrError

# ---- Modules of ours as processes of their own, which may crash; they find the modules that this process found.

# `python -m`, but it does not look for modules where it starts. (`python -P` does that, from Python 3.11 on.)
CODE = """
import sys
sys.path[:] = filter(None, sys.path)
import runpy
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
LOG = "log.txt"
ROOT = Path(__file__).parents[2]
SHORTAGES = ("MemoryError", "bad_alloc", "ResourceExhausted", "No space left", "Cannot allocate memory")


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    code: its exit code; minus the number of the signal that ended it; None if it was stopped, having taken too long.
    log: what it wrote.
    """

    code: int | None
    log: str

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended it, or None."""
        if self.code is None or self.code >= 0:
            return None
        try:
            return signal.Signals(-self.code).name
        except ValueError:
            return f"signal {-self.code}"

    @property
    def last_line(self) -> str | None:
        """The last line that it wrote, or None."""
        return next((line.strip() for line in reversed(self.log.splitlines()) if line.strip()), None)

    @property
    def short(self) -> bool:
        """Whether it complained of too little memory or disk."""
        return any(word in self.log for word in SHORTAGES)


def command(module: str, *words: str) -> list[str]:
    """Return the command that runs a module of ours as `python -m` does; `environment` belongs to it."""
    return [sys.executable, "-c", CODE, module, *words]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with the paths of its modules, Paddle kept quiet, and `more`."""
    paths = [str(ROOT), *(os.path.abspath(path) for path in sys.path)]
    quiet = {"GLOG_minloglevel": "2", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), **quiet, **more}


def run(words: Sequence[str], folder: Path, *, patience: float) -> Ending:
    """Run a command in `folder`, where LOG is what it writes, and return how it ended.

    patience: seconds until it is stopped.  Raises OSError.
    """
    with open(folder / LOG, "wb") as log:
        try:
            code = subprocess.run(
                words,
                env=environment(),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=patience,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
    return Ending(code, (folder / LOG).read_text(encoding="utf-8", errors="replace"))


# ---- A module of this room, run by a process of its own: Paddle's and paddle2onnx's crashes stay there.

PATIENCE = 7200  # seconds after which a child hangs; a long clip at full width takes minutes on a slow machine
TRACE = ("C++ Traceback", "Error Message Summary", "---", "0 ", "1 ", "[TimeInfo", "[SignalInfo", "[Hint")


def run_child(module: str, folder: Path, doing: str) -> None:
    """Run `python -m module folder`. Raises PpvsrError, which says what failed while `doing`, in one line."""
    ending = run(command(module, str(folder.absolute())), folder, patience=PATIENCE)
    if ending.code is None:
        raise PpvsrError(f"{doing}: took more than {PATIENCE} s; nothing was written")
    if ending.code:
        message = last_words(ending.log)
        if ending.signal:
            message = f"the process ended by {ending.signal}: {message}"
        raise PpvsrError(f"{doing}: {message}; nothing was written")


def last_words(output: str) -> str:
    """Return the line of a process's output that says why it ended: of an error, or the last one."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = [line.strip() for line in plain.splitlines()]
    lines = [line for line in lines if line and not line.startswith(TRACE)]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Fail)\b.*: ", line)]
    logged = [line for line in lines if "[ERROR]" in line]
    return (logged[:1] or raised[-1:] or lines[-1:] or ["no message"])[0]
