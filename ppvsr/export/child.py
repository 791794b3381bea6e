"""A module of this room, run by a process of its own: Paddle's and paddle2onnx's crashes stay there."""

from __future__ import annotations

import re
from pathlib import Path

from ppvsr.child import command, run
from ppvsr.errors import PpvsrError

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
