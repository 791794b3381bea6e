"""The 3x3 convolution with a gradient: that of Paddle's."""

import numpy as np
import paddle
import paddle.nn as nn
import paddle.nn.functional as F
import pytest

from ppvsr.archs.msvsr import MSVSR
from ppvsr.ops import native
from ppvsr.ops.deform import use_native
from ppvsr.ops.layers import convolve
from tests.archs.nets import clip, tiny
from tests.ops.test_conv import RNG, SIZES, conv3x3, normal


def learns(tensor):
    tensor.stop_gradient = False
    return tensor


def gradients(answer, inputs, seen):
    return [answer, *paddle.grad([answer], inputs, [seen])]


def assert_close(actual, expected):
    """Compare relative to the largest number: sums over pictures grow with their size."""
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=2e-5 * max(1, float(other.abs().max())))


@pytest.mark.parametrize("shuffled", [False, True], ids=["plain", "shuffled"])
@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(("n", "channels", "out", "h", "w"), SIZES.values(), ids=SIZES)
def test_the_gradients_are_paddles(operator, n, channels, out, h, w, slope, shuffled):
    conv, xs = conv3x3(sum(channels), 4 * out if shuffled else out), [learns(normal(n, c, h, w)) for c in channels]
    before = conv(paddle.concat(xs, axis=1))
    activated = F.leaky_relu(before, slope)
    expected = F.pixel_shuffle(activated, 2) if shuffled else activated
    # Where an activation is next to zero, rounding decides which side it is on.
    clear = (before.abs() > 1e-3).astype("float32")
    seen = normal(*expected.shape) * (F.pixel_shuffle(clear, 2) if shuffled else clear)
    inputs = [*xs, conv.weight, conv.bias]
    actual = native.learning_conv3x3(xs, conv.weight, conv.bias, slope=slope, shuffled=shuffled)
    assert_close(gradients(actual, inputs, seen), gradients(expected, inputs, seen))


def test_results_do_not_depend_on_the_threads(operator, threads):
    conv, xs = conv3x3(40, 20), [learns(normal(3, 25, 37, 150)), learns(normal(3, 15, 37, 150))]
    seen, results = normal(3, 20, 37, 150), []
    for number in (1, 2, 2, 5):
        with threads(number):
            answer = native.learning_conv3x3(xs, conv.weight, conv.bias, slope=0.1)
            results.append([each.numpy() for each in gradients(answer, [*xs, conv.weight, conv.bias], seen)])
    for other in results[1:]:
        for one, first in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(one, first)


def test_a_call_leaves_nothing_behind_for_the_next(operator):
    conv, x, seen = conv3x3(4, 4), learns(normal(1, 4, 5, 20)), normal(1, 4, 5, 20)
    first = gradients(native.learning_conv3x3([x], conv.weight, conv.bias), [conv.weight], seen)[1].numpy()
    bad = learns(paddle.full([1, 4, 50, 400], float("nan")))
    native.learning_conv3x3([bad], conv.weight, conv.bias).sum().backward()
    again = gradients(native.learning_conv3x3([x], conv.weight, conv.bias), [conv.weight], seen)[1]
    np.testing.assert_array_equal(again.numpy(), first)


def test_inputs_need_not_learn(operator):
    conv, fixed, x = conv3x3(8, 4), normal(1, 3, 9, 10), learns(normal(1, 5, 9, 10))
    for inputs in ([fixed, x], [x, fixed]):
        conv.clear_gradients()
        x.clear_gradient()
        native.learning_conv3x3(inputs, conv.weight, conv.bias).sum().backward()
        own = [each.grad.numpy() for each in (x, conv.weight, conv.bias)]
        assert fixed.grad is None
        conv.clear_gradients()
        x.clear_gradient()
        conv(paddle.concat(inputs, axis=1)).sum().backward()
        for one, other in zip(own, (x, conv.weight, conv.bias), strict=True):
            np.testing.assert_allclose(one, other.grad.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xs": [normal(1, 4, 6, 8), normal(1, 4, 6, 9)]}, "different sizes"),
        ({"xs": [normal(1, 7, 6, 8)]}, "do not fit the inputs"),
        ({"weight": normal(6, 8, 5, 5)}, "do not fit the inputs"),
        ({"bias": normal(5)}, "do not fit the inputs"),
        ({"shuffled": True}, "no multiple of 4"),
    ],
)
def test_what_does_not_fit_is_refused(operator, change, message):
    conv = conv3x3(8, 6)
    given = {"xs": [normal(1, 8, 6, 8)], "weight": conv.weight, "bias": conv.bias}
    with pytest.raises(Exception, match=message):
        native.learning_conv3x3(**{**given, **change})


@pytest.mark.slow
def test_a_network_learns_by_it_when_it_is_told_to(operator, monkeypatch):
    net = tiny("MSVSR")
    net.train()
    lq = clip(1, 3, 64, 64)
    calls, real = [], native.learning_conv3x3
    monkeypatch.setattr(native, "learning_conv3x3", lambda *args, **kw: calls.append(1) or real(*args, **kw))

    def learn():
        net.clear_gradients()
        sum((each**2).mean() for each in net(lq)).backward()
        return {name: p.grad.numpy() for name, p in net.named_parameters()}

    use_native(net)
    expected = learn()
    assert not calls
    use_native(net, learning=True)
    actual = learn()
    assert len(calls) > 100
    # Where a sum of many pixels is small, its parts cancel: compare with the largest of the network's gradients.
    largest = max(np.abs(each).max() for each in expected.values())
    for name, gradient in actual.items():
        assert np.abs(gradient - expected[name]).max() < 1e-3 * largest, name
    use_native(net, on=False)
    calls.clear()
    learn()
    assert not calls


def test_what_it_does_not_know_stays_paddles(operator):
    net = MSVSR(mid_channels=4, deform_groups=4, stage1_groups=4)
    use_native(net, learning=True)
    strided = [layer for layer in net.sublayers() if isinstance(layer, nn.Conv2D) and layer._stride != [1, 1]]
    assert len(strided) == 2 and not any(getattr(layer, "native", False) for layer in strided)


def test_other_types_are_paddles(monkeypatch):
    monkeypatch.setattr(native, "learning_conv3x3", None)
    conv = conv3x3(4, 4).to(dtype="float64")
    conv.native = True
    x = paddle.to_tensor(RNG.standard_normal([1, 4, 6, 6]))
    np.testing.assert_array_equal(convolve(conv, x).numpy(), conv(x).numpy())
