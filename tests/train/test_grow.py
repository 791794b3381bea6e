"""A larger PP-MSVSR that continues a smaller one."""

import numpy as np
import paddle
import pytest

from ppvsr.train.grow import grow
from tests.archs.nets import clip, tiny, without_gradient

WIDER = {"mid_channels": 16}
MORE_GROUPS = {"mid_channels": 16, "deform_groups": 8, "stage1_groups": 16}
THREEFOLD = {"mid_channels": 12, "stage1_groups": 12}
DEEPER = {"num_init_blocks": 2, "num_blocks": 3, "num_reconstruction_blocks": 2, "aux_reconstruction_blocks": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channels", "larger"),
    [(8, WIDER), (8, MORE_GROUPS), (8, DEEPER), (8, {**MORE_GROUPS, **DEEPER}), (4, THREEFOLD)],
    ids=["wider", "groups", "deeper", "all", "threefold"],
)
def test_computes_the_same(channels, larger):
    small, large = tiny("MSVSR", mid_channels=channels), tiny("MSVSR", **{"mid_channels": channels, **larger})
    for net in (small, large):
        net.train()
    before = [each.numpy() for each in large(clip(1, 3, 64, 72))]
    grow(small, large)
    wanted = small(clip(1, 3, 64, 72))
    for got, want, was in zip(large(clip(1, 3, 64, 72)), wanted, before, strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), atol=2e-5)
        assert np.abs(was - want.numpy()).max() > 0.01


@pytest.mark.slow
def test_what_is_new_learns():
    """New features are read by nobody at first: their readers learn in the first step, they themselves from then on."""
    small, large = tiny("MSVSR"), tiny("MSVSR", mid_channels=16, num_blocks=2)
    grow(small, large)
    large.train()
    descent = paddle.optimizer.SGD(0.1, parameters=large.parameters())
    for _ in range(2):
        frames = clip(1, 3, 64, 64)
        loss = sum((each**2).mean() for each in large(frames))
        loss.backward()
        still = without_gradient(large)
        descent.step()
        descent.clear_grad()
    assert not still


@pytest.mark.slow
@pytest.mark.parametrize(
    ("small", "large", "says"),
    [
        ({"mid_channels": 16}, {"mid_channels": 8}, "16 channels in 4 parts do not fit into 8"),
        ({"num_blocks": 2}, {"mid_channels": 8}, r"none that the small one could become: backbone.*blocks\.1\."),
        ({}, {"only_last": False}, "none that the small one could become: conv_hr"),
        ({}, {"use_tiny_spynet": False}, r"none that the small one could become: spynet\."),
        ({}, {"mid_channels": 12, "deform_groups": 6}, "6 deformable groups .* no multiple of 4"),
    ],
)
def test_refuses(small, large, says):
    net = tiny("MSVSR", **large)
    before = net.conv_last.weight.numpy()
    with pytest.raises(ValueError, match=says):
        grow(tiny("MSVSR", **small), net)
    assert (net.conv_last.weight.numpy() == before).all()
