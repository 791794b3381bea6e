"""What steps are exported with computes what Paddle's own operators compute."""

import numpy as np
import paddle
import paddle.nn as nn
import pytest

from ppvsr.ops import native
from ppvsr.ops.layers import conv_shuffled, double, flow_warp, resize, upsample
from ppvsr.ops.lowering import Lowering, current, lowered


def rand(*shape):
    return paddle.to_tensor(np.random.default_rng(0).random(shape, np.float32))


def assert_same(run, *inputs, atol=1e-6, with_native=False):
    expected = run(*inputs)
    with lowered(Lowering(native=with_native)):
        np.testing.assert_allclose(run(*inputs).numpy(), expected.numpy(), rtol=0, atol=atol)
    assert current() is None


@pytest.mark.parametrize("size", [(9, 11), (64, 5), (1, 2)])
@pytest.mark.parametrize("target", [(32, 64), (9, 11), (7, 3)])
def test_resizing_is_the_same(size, target):
    assert_same(lambda x: resize(x, *target), rand(2, 3, *size), atol=3e-6)


@pytest.mark.parametrize("run", [lambda x: upsample(x, 4), lambda x: upsample(x, 2), double])
def test_enlarging_is_the_same(run):
    assert_same(run, rand(2, 3, 17, 10), atol=3e-6)


@pytest.mark.parametrize("with_native", [False, True])
@pytest.mark.parametrize("border", [False, True])
def test_warping_is_the_same_inside_and_outside(border, with_native):
    if with_native and (reason := native.load()):
        pytest.skip(reason)
    flow = 40 * rand(2, 2, 16, 20) - 20
    flow[:, :, ::3] = flow[:, :, ::3].round()
    run = lambda x, flow: flow_warp(x, flow, border=border)  # noqa: E731
    assert_same(run, rand(2, 5, 16, 20), flow, atol=2e-5, with_native=with_native)


@pytest.mark.parametrize("with_native", [False, True])
@pytest.mark.parametrize(("stride", "beside"), [(1, 0), (2, 0), (2, 3)])
def test_a_convolution_may_come_before_the_pixel_shuffle(stride, beside, with_native):
    if with_native and (reason := native.load()):
        pytest.skip(reason)
    conv = nn.Conv2D(4 + beside, 5, 3, stride=stride, padding=1)
    x = rand(2, 16, 7, 9)
    run = lambda x: conv_shuffled(conv, x, rand(2, beside, 14, 18) if beside else None)  # noqa: E731
    assert_same(run, x, atol=1e-5 if with_native else 1e-6, with_native=with_native)
