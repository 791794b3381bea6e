"""Paddle programs into ONNX files: what runs in a process of its own, because paddle2onnx aborts where it fails.

    python -m ppvsr.export.onnx FOLDER

FOLDER holds ORDER, {"programs": [name, ...], "notes": {...}}, and `name`.json and `name`.pdiparams of each program; it
gets `name`.onnx.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


# ---- Paddle's program files (.json): names of inputs and outputs, attributes of operators, and what paddle2onnx reads.
# A file is a list of operators, each with its kind ("#"), attributes ("A"), operands ("I") and results ("O").

Operator = dict[str, Any]


class Program:
    """A program file in memory."""

    def __init__(self, path: Path) -> None:
        self._tree = json.loads(path.read_text(encoding="utf-8"))
        self.operators: list[Operator] = self._tree["program"]["regions"][0]["blocks"][0]["ops"]

    def save(self, path: Path) -> None:
        """Write the program."""
        path.write_text(json.dumps(self._tree, separators=(",", ":")), encoding="utf-8")

    def of_kind(self, kind: str) -> Iterator[Operator]:
        """Yield the operators of a kind, such as `leaky_relu`, in order."""
        return (each for each in self.operators if each["#"].rpartition(".")[2] == kind)

    def attributes(self, kind: str, name: str) -> list[Any]:
        """Return an attribute of all operators of a kind, in order."""
        return [attribute(each, name)["D"] for each in self.of_kind(kind)]

    def rename(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Give inputs and outputs names. Raises ValueError unless there are as many."""
        for kind, names in (("data", inputs), ("fetch", outputs)):
            for each, name in zip(self.of_kind(kind), names, strict=True):
                attribute(each, "name")["D"] = name

    def simplify(self) -> None:
        """Write what paddle2onnx 2.1 does not know, and aborts at, in what it knows."""
        for each in self.of_kind("shape64"):  # Paddle 3.1's `shape`; only the type of the answer is another
            each["#"] = each["#"].replace("shape64", "shape")
        for each in self.of_kind("full_batch_size_like"):  # `2 / tensor`: one number, made as large as the tensor
            kept = {name: attribute(each, name) for name in ("value", "dtype", "place")}
            shape = {"#": "1.a_intarray", "D": [1]}  # arithmetic repeats it anyhow
            each["A"] = [{"N": name, "AT": value} for name, value in {"shape": shape, **kept}.items()]
            each["I"] = []
            each["#"] = each["#"].replace("full_batch_size_like", "full")
            each["O"][0]["TT"]["D"][1] = [1]


def attribute(operator: Operator, name: str) -> dict[str, Any]:
    """Return the attribute of that name; its value is under "D"."""
    found: dict[str, Any] = next(each["AT"] for each in operator["A"] if each["N"] == name)
    return found


# ---- What paddle2onnx 2.1 gets wrong without a word, put right in the ONNX graph.

# Attributes that arrive wrong: of Paddle's operator → of ONNX's node.
ATTRIBUTES = (
    # It reads a 32-bit number where Paddle 3.3 keeps one of 64 bits: the slope becomes 0, or whatever lay in memory.
    ("leaky_relu", "negative_slope", "LeakyRelu", "alpha"),
    # It leaves the groups of the offsets out, which means one.
    ("deformable_conv", "deformable_groups", "DeformConv", "offset_group"),
)


def repair(model: ModelProto, program: Program) -> None:
    """Put the attributes right by those of the program that was converted, and drop what does nothing.

    Raises ValueError when graph and program do not have the same operators.
    """
    from onnx import helper

    for kind, name, op_type, onnx_name in ATTRIBUTES:
        values, nodes = program.attributes(kind, name), [each for each in model.graph.node if each.op_type == op_type]
        if len(values) != len(nodes):
            raise ValueError(f"{len(values)} {kind} became {len(nodes)} {op_type}")
        for node, value in zip(nodes, values, strict=True):
            kept = [each for each in node.attribute if each.name != onnx_name]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute(onnx_name, value)])
    bypass_identities(model)
    drop_unused(model)


def bypass_identities(model: ModelProto) -> None:
    """Remove the Identity that paddle2onnx puts behind every weight and constant: half of all nodes."""
    graph = model.graph
    results = {each.name for each in graph.output}
    source: dict[str, str] = {}
    kept: list[NodeProto] = []
    for node in graph.node:  # in the order of computation, so chains resolve at once
        node.input[:] = [source.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.output[0] not in results:
            source[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    _replace(graph.node, kept)


def drop_unused(model: ModelProto) -> None:
    """Remove constants and weights that nothing reads: runtimes warn of each."""
    graph = model.graph
    used = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
    _replace(graph.node, [each for each in graph.node if each.op_type != "Constant" or each.output[0] in used])
    _replace(graph.initializer, [each for each in graph.initializer if each.name in used])


def rename(model: ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Give inputs and outputs the names of the program, and their free sides names of their own."""
    graph = model.graph
    pairs = zip([*graph.input, *graph.output], [*inputs, *outputs], strict=True)
    names = {each.name: name for each, name in pairs}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for each in (*graph.input, *graph.output):
        each.name = names[each.name]
        for axis, side in enumerate(each.type.tensor_type.shape.dim):
            if side.dim_param:
                side.dim_param = f"{each.name}_{axis}"


def _replace(field: Any, values: list[Any]) -> None:
    """Put other values into a repeated field; they may be those that are in it."""
    copies = [type(each).FromString(each.SerializeToString()) for each in values]
    del field[:]
    field.extend(copies)


# ---- Paddle programs into ONNX files: what runs in a process of its own, because paddle2onnx aborts where it fails.

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
