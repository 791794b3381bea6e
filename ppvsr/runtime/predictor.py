"""One exported step: how it is written to a file, and how Paddle Inference runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle
from paddle import Tensor
from paddle.nn import Layer

from ppvsr.ops.layouts import known_plain
from ppvsr.ops.lowering import Lowering, lowered
from ppvsr.runtime.steps import Example, Run

# Paddle 3.3: this one ends in a segmentation fault where a leaky ReLU follows a convolution.
HARMFUL_PASSES = ("conv_activation_onednn_fuse_pass",)


class _Step(Layer):
    """A step as a layer, which is what can be exported; the network is there for its parameters."""

    def __init__(self, net: Layer, example: Example) -> None:
        super().__init__()
        self.net = net
        self.step = example.step
        self.words = example.words

    def forward(self, inputs: list[Tensor]) -> Any:
        """Run the step."""
        return self.step(*self.words, *(known_plain(x) for x in inputs))


def export(net: Layer, example: Example, path: Path, *, native: bool) -> None:
    """Write a step for pictures of any size, and batches of any, to `path`.json and `path`.pdiparams."""
    layer = _Step(net, example)
    layer.eval()
    kinds = [paddle.static.InputSpec([None, *x.shape[1:-2], None, None], x.dtype) for x in example.inputs]
    with lowered(Lowering(native=native)):
        with paddle.no_grad():
            layer(list(example.inputs))  # makes what is computed from weights once
        program = paddle.jit.to_static(layer, input_spec=[kinds], full_graph=True, backend=None)
        paddle.jit.save(program, str(path))


def load(path: Path, *, threads: int) -> Run:
    """Make a step ready to run on the CPU. Only what was proved in another process may be loaded in the user's."""
    from paddle import inference

    config = inference.Config(f"{path}.json", f"{path}.pdiparams")
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(threads)
    for name in HARMFUL_PASSES:
        config.delete_pass(name)
    predictor = inference.create_predictor(config)

    def run(inputs: list[Tensor]) -> list[Tensor]:
        answers = predictor.run([x.contiguous() for x in inputs])  # it does not look at strides
        return [answer.clone() for answer in answers]  # the next run may write into the same memory

    return run
