"""Run an exported program once, in a process of its own: with oneDNN, Paddle may crash.

    python -m ppvsr.assemble.trial NAME THREADS

NAME.yaml, NAME.json and NAME.pdiparams are there. The exit code is 0 if the results are finite.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ppvsr.errors import PpvsrError
from ppvsr.export.model import read_exported

COMMAND = (sys.executable, "-m", "ppvsr.assemble.trial")
PACKAGE = Path(__file__).parents[1]
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
    paths = [str(PACKAGE.parent), *(str(Path(each).absolute()) for each in sys.path if each)]
    quiet = {"GLOG_minloglevel": "2", "PYTHONWARNINGS": "ignore"}
    try:
        with tempfile.TemporaryDirectory() as empty:  # Python looks for modules where it starts
            code = subprocess.run(
                [*COMMAND, str(path.absolute()), str(threads)],
                env={**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))},
                cwd=empty,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PATIENCE,
                check=False,
            ).returncode
    except subprocess.TimeoutExpired:
        return f"its trial took more than {PATIENCE} s"
    if code < 0:
        return f"its trial crashed ({signal.Signals(-code).name})"
    reason = "results that are not finite" if code == NOT_FINITE else f"exit code {code}"
    return f"its trial failed ({reason})" if code else None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
