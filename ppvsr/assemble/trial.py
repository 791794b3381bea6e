"""Run an exported program once, in a process of its own: with oneDNN, Paddle may crash.

    python -m ppvsr.assemble.trial NAME THREADS

NAME.yaml, NAME.json and NAME.pdiparams are there. The exit code is 0 if the results are finite.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from ppvsr.child import command, run
from ppvsr.errors import PpvsrError
from ppvsr.export.model import read_exported

COMMAND = command("ppvsr.assemble.trial")
NOT_FINITE = 3  # exit code
PATIENCE = 900  # seconds after which a trial hangs


def main(path: Path, threads: int) -> int:
    """Run the program on noise, as much as it was proved with; return the exit code."""
    exported = read_exported(path)
    clip = np.random.default_rng(0).random(exported.about["proof"]["inputs"][0], np.float32)
    try:
        run = exported.load(threads=threads)
    except PpvsrError:  # damaged files: nothing to try, and whoever opens them will say so
        return 0
    return 0 if all(np.isfinite(answer).all() for answer in run({"lq": clip}).values()) else NOT_FINITE


def fails(path: Path, threads: int) -> str | None:
    """Run the program in a child process; return what went wrong, in a few words, or None."""
    with tempfile.TemporaryDirectory() as empty:
        ending = run([*COMMAND, str(path.absolute()), str(threads)], Path(empty), patience=PATIENCE)
    if ending.code is None:
        return f"its trial took more than {PATIENCE} s"
    if ending.signal:
        return f"its trial crashed ({ending.signal})"
    reason = "results that are not finite" if ending.code == NOT_FINITE else f"exit code {ending.code}"
    return f"its trial failed ({reason})" if ending.code else None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
