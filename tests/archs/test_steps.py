"""The steps of the networks can be compiled, once for frames of any size."""

import numpy as np
import paddle
import pytest

from tests.archs.nets import tiny


class Propagation(paddle.nn.Layer):
    """Flow of a pair and one frame of a branch."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, ref, other, state, cur, local):
        flow = self.net.spynet(ref, other)
        return self.net.propagate("stage2_backward", state, flow, cur, local)[0]


@pytest.mark.slow
def test_a_step_compiles_for_any_size(tmp_path):
    step = Propagation(tiny("MSVSR"))
    step.eval()
    channels = (3, 3, 4, 4, 4)
    specs = [paddle.static.InputSpec([1, c, None, None], "float32") for c in channels]
    paddle.jit.save(paddle.jit.to_static(step, input_spec=specs, full_graph=True), str(tmp_path / "step"))
    compiled = paddle.jit.load(str(tmp_path / "step"))
    step = Propagation(step.net)
    step.eval()
    for h, w in ((64, 64), (65, 100)):
        frames = [paddle.rand([1, c, h, w]) for c in channels]
        np.testing.assert_allclose(compiled(*frames).numpy(), step(*frames).numpy(), rtol=0, atol=1e-5)
