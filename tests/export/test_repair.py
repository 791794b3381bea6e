"""What paddle2onnx gets wrong is put right, on graphs made by hand."""

import json

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from ppvsr.export.onnx import Program, attribute, bypass_identities, drop_unused, rename, repair  # noqa: E402  # noqa: E402


def operator(kind, inputs=(), outputs=(), **attributes):
    rows = [{"N": name, "AT": {"#": "0.a", "D": value}} for name, value in attributes.items()]
    results = [{"%": each, "TT": {"#": "0.t_dtensor", "D": [{}, [2, -1], "NCHW", [], 0]}} for each in outputs]
    return {"#": f"1.{kind}", "A": rows, "I": [{"%": each} for each in inputs], "O": results}


@pytest.fixture
def program(tmp_path):
    def make(*operators):
        path = tmp_path / "program.json"
        path.write_text(json.dumps({"program": {"regions": [{"blocks": [{"ops": operators}]}]}}))
        return Program(path)

    return make


def model(nodes, *initializers, output="y"):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "graph",
        [value("x", TensorProto.FLOAT, ["A", 3])],
        [value(output, TensorProto.FLOAT, ["B", 3])],
        [numpy_helper.from_array(array, name) for name, array in initializers],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])


def attributes(node):
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def test_slopes_and_groups_come_from_the_program_in_order(program):
    nodes = [
        helper.make_node("LeakyRelu", ["x"], ["a"], alpha=2.4e-43),
        helper.make_node("DeformConv", ["a", "w", "o"], ["b"], group=1),
        helper.make_node("LeakyRelu", ["b"], ["y"]),
    ]
    source = program(
        operator("leaky_relu", negative_slope=0.1),
        operator("deformable_conv", deformable_groups=4),
        operator("leaky_relu", negative_slope=0.2),
    )
    fixed = model(nodes)
    repair(fixed, source)
    first, deform, second = fixed.graph.node
    assert attributes(first)["alpha"] == pytest.approx(0.1) and attributes(second)["alpha"] == pytest.approx(0.2)
    assert attributes(deform) == {"group": 1, "offset_group": 4}


def test_a_graph_of_another_program_is_not_repaired(program):
    with pytest.raises(ValueError, match="2 leaky_relu became 1 LeakyRelu"):
        repair(
            model([helper.make_node("LeakyRelu", ["x"], ["y"])]),
            program(*2 * [operator("leaky_relu", negative_slope=0.1)]),
        )


def test_identities_go_unless_they_are_the_answer():
    nodes = [
        helper.make_node("Identity", ["w"], ["w1"]),
        helper.make_node("Identity", ["w1"], ["w2"]),
        helper.make_node("Add", ["x", "w2"], ["z"]),
        helper.make_node("Identity", ["z"], ["y"]),
    ]
    fixed = model(nodes, ("w", np.ones(3, np.float32)), ("unread", np.ones(3, np.float32)))
    bypass_identities(fixed)
    drop_unused(fixed)
    assert [(each.op_type, list(each.input)) for each in fixed.graph.node] == [("Add", ["x", "w"]), ("Identity", ["z"])]
    assert [each.name for each in fixed.graph.initializer] == ["w"]
    onnx.checker.check_model(fixed, full_check=True)


def test_inputs_outputs_and_free_sides_have_names():
    fixed = model([helper.make_node("Relu", ["x"], ["y"])])
    rename(fixed, ["lq"], ["sr"])
    (node,) = fixed.graph.node
    assert list(node.input) == ["lq"] and list(node.output) == ["sr"]
    assert [d.dim_param or d.dim_value for d in fixed.graph.output[0].type.tensor_type.shape.dim] == ["sr_0", 3]
    onnx.checker.check_model(fixed)


def test_what_paddle2onnx_does_not_know_is_written_in_what_it_knows(program):
    source = program(
        operator("shape64", [1], [2]),
        operator(
            "full_batch_size_like", [1], [3], shape=[2, -1], value=2.0, dtype="float32", place=[], input_dim_idx=1
        ),
    )
    source.simplify()
    shape, full = source.operators
    assert shape["#"] == "1.shape" and full["#"] == "1.full" and full["I"] == []
    assert {each["N"]: each["AT"]["D"] for each in full["A"]} == {
        "shape": [1],
        "value": 2.0,
        "dtype": "float32",
        "place": [],
    }
    assert full["O"][0]["TT"]["D"][1] == [1]


def test_a_program_is_renamed_and_written(program, tmp_path):
    source = program(operator("data", name="a"), operator("fetch", name="b"))
    source.rename(["lq"], ["sr"])
    source.save(tmp_path / "other.json")
    assert [attribute(each, "name")["D"] for each in Program(tmp_path / "other.json").operators] == ["lq", "sr"]
    with pytest.raises(ValueError, match="zip"):
        source.rename(["lq", "more"], ["sr"])
