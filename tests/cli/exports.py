"""An exported network that is known to the last bit: every pixel becomes 4x4 of the same colour."""

import hashlib

import paddle
import yaml
from paddle import nn

from ppvsr.export.onnx import Program


class Nearest(nn.Layer):
    """(1, t, 3, h, w) to (1, t, 3, 4h, 4w), by what networks are made of."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3, 48, 1, bias_attr=False)
        self.conv.weight.set_value(paddle.eye(3).repeat_interleave(16, axis=0).reshape([48, 3, 1, 1]))
        self.shuffle = nn.PixelShuffle(4)

    def forward(self, lq):
        b, t, c, h, w = lq.shape
        x = self.shuffle(nn.functional.leaky_relu(self.conv(lq.reshape([-1, c, h, w])), 0.1))
        return x.reshape([b, t, c, h * 4, w * 4])


def export_nearest(path, frames=5, height=None, width=None, **changes):
    """Write it as tools/export_model.py writes networks of Paddle; return the path without an ending."""
    shape = [1, frames, 3, height, width]
    net = Nearest()
    net.eval()
    spec = paddle.static.InputSpec(list(shape), "float32", name="lq")
    paddle.jit.save(paddle.jit.to_static(net, input_spec=[spec], full_graph=True, backend=None), str(path))
    file = path.with_name(f"{path.name}.json")
    program = Program(file)
    program.rename(["lq"], ["sr"])
    program.save(file)
    return _describe(path, shape, [".json", ".pdiparams"], {"format": "paddle", **changes})


def export_nearest_onnx(path, frames=5, height=None, width=None, **changes):
    """Write the same for ONNX Runtime."""
    import onnx
    from onnx import TensorProto, helper

    shape = [1, frames, 3, height, width]
    size = [1, frames, 3, height and 4 * height, width and 4 * width]
    lq, sr = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [each or f"{name}{i}" for i, each in enumerate(form)])
        for name, form in (("lq", shape), ("sr", size))
    )
    scales = helper.make_tensor("scales", TensorProto.FLOAT, [5], [1, 1, 1, 4, 4])
    options = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    node = helper.make_node("Resize", ["lq", "", "scales"], ["sr"], **options)
    graph = helper.make_graph([node], "nearest", [lq], [sr], [scales])
    opset = helper.make_opsetid("", 19)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), f"{path}.onnx")
    return _describe(path, shape, [".onnx"], {"format": "onnx", **changes})


def _describe(path, shape, endings, changes):
    height, width = shape[3:]
    files = [path.with_name(f"{path.name}{ending}") for ending in endings]
    about = {
        "kind": "clip",
        "network": "Nearest",
        "variant": None,
        "options": {},
        "weights": {"name": "none", "licence": None, "trained_on": None, "sha256": None},
        "colours": "RGB",
        "range": [0.0, 1.0],
        "layout": ["batch", "frames", "channels", "height", "width"],
        "scale": 4,
        "min_size": 1,
        "size_multiple": 1,
        "inputs": [{"name": "lq", "shape": shape}],
        "outputs": [{"name": "sr", "shape": [*shape[:3], height and 4 * height, width and 4 * width]}],
        "proof": {"inputs": [[1, shape[1], 3, height or 8, width or 8]], "differences": {}},
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "versions": {"ppvsr": "0.1.0", "paddle": paddle.__version__, "paddle2onnx": None, "opset": None},
        **changes,
    }
    path.with_name(f"{path.name}.yaml").write_text(yaml.safe_dump(about))
    return path
