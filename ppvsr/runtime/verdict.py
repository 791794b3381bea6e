"""What a child process found out about the programs in a folder, read as something that may be damaged."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from ppvsr.runtime.workshop import VERDICT, digest


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
