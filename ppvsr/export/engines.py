"""Run exported programs, and compare them with what dygraph computed, in a process of its own, which may crash.

    python -m ppvsr.export.engines FOLDER

FOLDER holds ORDER, {"mode": ..., "threads": ..., "programs": {name: [file of a case, ...], ...}}, the programs, and the
cases (.npz: `in.<input>`, `out.<output>`); it gets VERDICT, the largest difference of each program.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppvsr.compile.worker import difference
from ppvsr.errors import PpvsrError

# ---- Exported programs, ready to run: arrays by name in, arrays by name out.

Arrays = Mapping[str, NDArray[Any]]
Engine = Callable[[Arrays], dict[str, NDArray[Any]]]
PADDLE_ENDINGS = (".json", ".pdiparams")


def paddle_engine(path: Path, *, onednn: bool, threads: int) -> Engine:
    """Make `path`.json and `path`.pdiparams ready for the CPU. What was not proved may end this process.

    Inputs must have the names of the program; float32.
    """
    from ppvsr.system.paddle import import_paddle

    import_paddle()
    from paddle import inference

    from ppvsr.compile.steps import HARMFUL_PASSES

    config = inference.Config(*(f"{path}{ending}" for ending in PADDLE_ENDINGS))
    config.disable_gpu()
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(threads)
    if onednn:
        config.enable_mkldnn()
        for name in HARMFUL_PASSES:
            config.delete_pass(name)
    else:
        config.disable_mkldnn()
    predictor = inference.create_predictor(config)

    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        for name in predictor.get_input_names():
            predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(inputs[name], np.float32))
        predictor.run()
        return {name: predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()}

    return run


def onnx_engine(path: Path, *, threads: int) -> Engine:
    """Make `path`.onnx ready for the CPU. Raises PpvsrError without ONNX Runtime, or when that lacks an operator."""
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    file = f"{path}.onnx"
    try:
        session = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises classes of its own, which derive from nothing common
        line = str(error).strip().splitlines()[0]
        hint = "; install a newer onnxruntime, or export with --portable" if "DeformConv" in line else ""
        raise PpvsrError(f"{file}: ONNX Runtime {runtime.__version__} cannot load it: {line}{hint}") from error
    outputs = [each.name for each in session.get_outputs()]

    def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
        wanted = {each.name: inputs[each.name] for each in session.get_inputs()}
        return dict(zip(outputs, session.run(outputs, wanted), strict=True))

    return run


def import_onnxruntime() -> Any:
    """Return the module. Raises PpvsrError when it is not installed."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise PpvsrError("ONNX Runtime is not installed: pip install onnxruntime") from error
    return onnxruntime


# ---- Compare exported programs with what dygraph computed: what runs in a process of its own, which may crash.

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
