import numpy as np
import paddle
import pytest
from paddle.base import core

from ppvsr.archs.blocks import ResidualTrunk
from ppvsr.ops.deform import FlowGuidedAlignment, RefiningAlignment
from ppvsr.train.losses import CharbonnierLoss
from ppvsr.train.task import multi_stage_vsr, recompute
from tests.archs.nets import clip, tiny

LAYERS = (ResidualTrunk, FlowGuidedAlignment, RefiningAlignment)
STEPS = (
    "local_align",
    "local_fusion",
    "begin",
    "propagate",
    "refine",
    "auxiliary",
    "reconstruct",
    "of another network",
)


def gradients(net, lq, gt, part=None):
    """Return the gradients of a step by name, and the bytes that were taken when the forward pass was done."""
    before = core.host_memory_stat_current_value("Allocated", 0)
    losses = multi_stage_vsr(generator=net, pixel_criterion=CharbonnierLoss(reduction="mean")).losses(lq, gt, 1, part)
    taken = core.host_memory_stat_current_value("Allocated", 0) - before
    sum(losses.values()).backward()
    found = {name: parameter.grad.numpy().copy() for name, parameter in net.named_parameters()}
    net.clear_gradients()
    return found, taken


@pytest.mark.slow
def test_gradients_are_equal_and_memory_is_saved():
    lq, gt = clip(1, 2, 64, 64), clip(1, 2, 256, 256)
    kept, bytes_kept = gradients(tiny("MSVSR"), lq, gt)
    for parts, share in ((LAYERS, 0.85), (STEPS, 0.4)):
        net = tiny("MSVSR")
        recompute(net, parts)
        again, bytes_again = gradients(net, lq, gt)
        assert kept.keys() == again.keys()
        for name, gradient in kept.items():
            np.testing.assert_allclose(again[name], gradient, rtol=0, atol=1e-5 * np.abs(gradient).max(), err_msg=name)
        assert bytes_again < share * bytes_kept


def test_gradients_with_warm_frames_are_equal():
    lq, gt = clip(1, 4, 16, 16), clip(1, 4, 64, 64)
    found = []
    for parts in ((), STEPS):
        net = tiny("MSVSR")
        net.min_size = 16
        recompute(net, parts)
        found.append(gradients(net, lq, gt, range(1, 3))[0])
    for name, gradient in found[0].items():
        np.testing.assert_allclose(found[1][name], gradient, rtol=0, atol=1e-5 * np.abs(gradient).max(), err_msg=name)


def test_a_kind_inside_another_one_is_not_computed_three_times():
    class Inner(paddle.nn.Layer):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x * x

    inner = Inner()
    net = paddle.nn.Sequential(paddle.nn.Sequential(inner))
    recompute(net, (paddle.nn.Sequential, Inner))
    x = paddle.to_tensor([3.0], stop_gradient=False)
    net(x).backward()
    assert inner.calls == 2 and x.grad.item() == 6
    net.eval()
    assert net(x).item() == 9 and inner.calls == 3
