"""What paddle2onnx 2.1 gets wrong without a word, put right in the ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ppvsr.export.program import Program

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

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
