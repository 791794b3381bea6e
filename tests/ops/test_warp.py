import numpy as np
import paddle
import pytest

from ppvsr.ops.layers import flow_warp


def naive(x, flow, border):
    """Read every pixel where its flow points, between four neighbours."""
    n, _, h, w = x.shape
    result = np.zeros_like(x)
    for i, row, column in np.ndindex(n, h, w):
        px, py = column + flow[i, 0, row, column], row + flow[i, 1, row, column]
        if border:
            px, py = np.clip(px, 0, w - 1), np.clip(py, 0, h - 1)
        left, top = int(np.floor(px)), int(np.floor(py))
        for y, x_ in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            if 0 <= y < h and 0 <= x_ < w:
                result[i, :, row, column] += x[i, :, y, x_] * (1 - abs(px - x_)) * (1 - abs(py - y))
    return result


@pytest.mark.parametrize("border", [False, True])
@pytest.mark.parametrize(("h", "w"), [(5, 7), (1, 4)])
def test_samples_between_pixels(border, h, w):
    rng = np.random.default_rng(0)
    x = rng.random((2, 3, h, w), dtype=np.float32)
    flow = rng.normal(scale=3, size=(2, 2, h, w)).astype(np.float32)
    warped = flow_warp(paddle.to_tensor(x), paddle.to_tensor(flow), border=border)
    np.testing.assert_allclose(warped.numpy(), naive(x, flow, border), rtol=0, atol=1e-5)


def test_first_channel_of_the_flow_points_right():
    x = paddle.arange(12, dtype="float32").reshape([1, 1, 3, 4])
    flow = paddle.stack([paddle.ones([1, 3, 4]), paddle.zeros([1, 3, 4])], axis=1)
    np.testing.assert_allclose(flow_warp(x, flow)[0, 0, :, :3].numpy(), x[0, 0, :, 1:].numpy(), atol=1e-5)


def test_gradient_reaches_the_flow_of_frames_without_gradient():
    """Paddle itself dies of this on CPU."""
    flow = paddle.full([1, 2, 4, 4], 0.25)
    flow.stop_gradient = False
    x = paddle.rand([1, 3, 4, 4])
    flow_warp(x, flow, border=True).sum().backward()
    assert float(flow.grad.abs().max()) > 0
    assert x.stop_gradient


def test_sizes_must_agree():
    with pytest.raises(ValueError, match=r"flow \(1, 2, 4, 5\) cannot warp a tensor \(1, 3, 4, 4\)"):
        flow_warp(paddle.zeros([1, 3, 4, 4]), paddle.zeros([1, 2, 4, 5]))
