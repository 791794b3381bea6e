"""Exported programs, ready to run: arrays by name in, arrays by name out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppvsr.errors import PpvsrError

Arrays = Mapping[str, NDArray[Any]]
Engine = Callable[[Arrays], dict[str, NDArray[Any]]]
PADDLE_ENDINGS = (".json", ".pdiparams")


def paddle_engine(path: Path, *, onednn: bool, threads: int) -> Engine:
    """Make `path`.json and `path`.pdiparams ready for the CPU. What was not proved may end this process.

    Inputs must have the names of the program; float32.
    """
    from ppvsr.framework import import_paddle

    import_paddle()
    from paddle import inference

    from ppvsr.runtime.predictor import HARMFUL_PASSES

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
