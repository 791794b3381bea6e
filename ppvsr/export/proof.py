"""Compare exported programs with what dygraph computed: what runs in a process of its own, which may crash.

    python -m ppvsr.export.proof FOLDER

FOLDER holds ORDER, {"mode": ..., "threads": ..., "programs": {name: [file of a case, ...], ...}}, the programs, and the
cases (.npz: `in.<input>`, `out.<output>`); it gets VERDICT, the largest difference of each program.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.export.engines import Engine, onnx_engine, paddle_engine
from ppvsr.runtime.workshop import difference

ORDER, VERDICT = "proof.json", "verdict.json"
ENGINES: dict[str, Callable[..., Engine]] = {
    "plain": partial(paddle_engine, onednn=False),
    "onednn": partial(paddle_engine, onednn=True),
    "onnxruntime": onnx_engine,
}
TOLERANCES = {"plain": 1e-5, "onednn": 2e-4, "onnxruntime": 1e-4}
MODES = {"paddle": ("plain", "onednn"), "onnx": ("onnxruntime",)}


def main(folder: Path) -> None:
    """Carry out the order in `folder`."""
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    verdict: dict[str, float] = {}
    for name, cases in order["programs"].items():
        sys.stderr.write(f"{name}\n")  # the last one is named when this process ends early
        run = ENGINES[order["mode"]](folder / name, threads=order["threads"])
        verdict[name] = float(np.max([compare(run, folder / case) for case in cases]))
    (folder / VERDICT).write_text(json.dumps(verdict), encoding="utf-8")


def compare(run: Engine, case: Path) -> float:
    """Return the largest difference of a program's answers from those of a case; nan where it has no number."""
    with np.load(case) as arrays:
        given: dict[str, dict[str, Any]] = {"in": {}, "out": {}}
        for name in arrays.files:
            side, _, key = name.partition(".")
            given[side][key] = arrays[name]
    answers = run(given["in"])
    return difference([answers[name] for name in given["out"]], list(given["out"].values()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
