"""Paddle programs into ONNX files: what runs in a process of its own, because paddle2onnx aborts where it fails.

    python -m ppvsr.export.convert FOLDER

FOLDER holds ORDER, {"programs": [name, ...], "notes": {...}}, and `name`.json and `name`.pdiparams of each program; it
gets `name`.onnx.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from ppvsr.export.program import Program, attribute
from ppvsr.export.repair import rename, repair

ORDER = "convert.json"
OPSET = 19  # the first one with DeformConv
SCRATCH = "scratch"


def main(folder: Path) -> None:
    """Carry out the order in `folder`."""
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    for name in order["programs"]:
        sys.stderr.write(f"{name}\n")  # the last one is named when this process ends early
        convert(folder / name, order["notes"])


def convert(path: Path, notes: Mapping[str, str]) -> None:
    """Write `path`.onnx, checked, with `notes` as its metadata. Raises what paddle2onnx and onnx.checker raise."""
    import onnx
    import paddle  # noqa: F401 (loads the libraries that paddle2onnx is linked against)
    from paddle2onnx import paddle2onnx_cpp2py_export

    program = Program(path.with_name(f"{path.name}.json"))
    inputs, outputs = ([attribute(each, "name")["D"] for each in program.of_kind(kind)] for kind in ("data", "fetch"))
    program.simplify()
    simple = path.with_name(f"{SCRATCH}.json")
    program.save(simple)
    # Not paddle2onnx.export: that installs packages behind the user's back and goes on after errors. In order: opset,
    # whether a later one will do, no chatter, no check (ours comes after the repair), experimental operators, optimise.
    flags = (OPSET, True, False, False, True, True)
    content = paddle2onnx_cpp2py_export.export(
        str(simple), str(path.with_name(f"{path.name}.pdiparams")), *flags, {}, "onnxruntime", "", "", False
    )
    model = onnx.load_from_string(content)
    repair(model, program)
    rename(model, inputs, outputs)
    onnx.helper.set_model_props(model, dict(notes))
    onnx.checker.check_model(model, full_check=True)
    simple.unlink()
    onnx.save(model, str(path.with_name(f"{path.name}.onnx")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
