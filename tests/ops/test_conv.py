"""3x3 convolutions by the own operator are Paddle's, with all that is done on the way."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import paddle.nn as nn
import paddle.nn.functional as F
import pytest

from ppvsr.ops import native
from ppvsr.ops.layers import convolve, run_chain
from ppvsr.ops.lowering import Lowering, convolves, lowered

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)
NATIVE = Lowering(native=True)


def normal(*shape):
    return paddle.to_tensor(RNG.standard_normal(shape, np.float32))


def conv3x3(fan_in, fan_out, **options):
    """Make a convolution whose answers are about as large as what it gets."""
    conv = nn.Conv2D(fan_in, fan_out, 3, **{"padding": 1, **options})
    conv.weight.set_value(normal(*conv.weight.shape) / np.sqrt(9 * conv.weight.shape[1]))
    conv.bias.set_value(normal(fan_out))
    return conv


def assert_close(actual, expected):
    np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=0, atol=5e-5)


# Tiles are 4x4 pixels, packs of tiles up to 64 pixels wide, three packs go together; 64 channels fit a thread's cache.
SIZES = {
    "one pixel": (1, [1], 1, 1, 1),
    "less than a pack": (2, [5], 7, 13, 31),
    "exactly a pack": (1, [4], 8, 8, 64),
    "packs and a rest": (1, [8], 5, 9, 150),
    "packs without a rest": (2, [3], 16, 10, 192),
    "two lines more than tiles": (1, [6], 4, 6, 65),
    "many inputs": (2, [60, 40, 3], 40, 9, 70),
    "many outputs": (1, [32], 108, 12, 66),
    "many of both": (1, [70], 70, 5, 7),
}


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(("n", "channels", "out", "h", "w"), SIZES.values(), ids=SIZES)
def test_the_operator_equals_paddles(operator, n, channels, out, h, w, slope):
    conv, xs = conv3x3(sum(channels), out), [normal(n, c, h, w) for c in channels]
    expected = F.leaky_relu(conv(paddle.concat(xs, axis=1)), slope)
    weight = native.transform_weight(conv.weight)
    assert_close(native.conv3x3(xs, weight, conv.bias, slope=slope), expected)
    plus = normal(*expected.shape)
    assert_close(native.conv3x3(xs, weight, conv.bias, slope=slope, plus=plus), plus + expected)
    if out % 4 == 0:
        shuffled = native.conv3x3(xs, weight, conv.bias, slope=slope, shuffled=True)
        assert_close(shuffled, F.pixel_shuffle(expected, 2))


def test_results_do_not_depend_on_the_threads(operator, threads):
    conv, xs = conv3x3(40, 20), [normal(2, 40, 37, 150)]
    weight, results = native.transform_weight(conv.weight), []
    for number in (1, 2, 2, 5):
        with threads(number):
            results.append(native.conv3x3(xs, weight, conv.bias, slope=0.1).numpy())
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_a_call_leaves_nothing_behind_for_the_next(operator):
    """Threads keep their working memory: what a larger convolution, or one of bad numbers, left must not be read."""
    conv, x = conv3x3(4, 4), normal(1, 4, 5, 20)
    weight = native.transform_weight(conv.weight)
    first = native.conv3x3([x], weight, conv.bias)
    native.conv3x3([paddle.full([1, 4, 50, 400], float("nan"))], weight, conv.bias)
    np.testing.assert_array_equal(native.conv3x3([x], weight, conv.bias).numpy(), first.numpy())


def test_what_is_no_number_spoils_its_tiles_only(operator):
    conv, x = conv3x3(3, 2), normal(1, 3, 20, 100)
    x[0, 1, 9, 50] = float("nan")
    bad = ~np.isfinite(native.conv3x3([x], native.transform_weight(conv.weight), conv.bias, slope=0.1).numpy())
    assert bad[:, :, 8:11, 49:52].all()
    assert not bad[:, :, :4].any() and not bad[..., :44].any() and not bad[..., 56:].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xs": [normal(1, 4, 6, 8), normal(1, 4, 6, 9)]}, "different sizes"),
        ({"xs": [normal(1, 7, 6, 8)]}, "do not fit the inputs"),
        ({"bias": normal(5)}, "do not fit the inputs"),
        ({"plus": normal(1, 6, 6, 9)}, "does not fit the output"),
        ({"shuffled": True}, "no multiple of 4"),
        ({"xs": [normal(1, 8, 6, 8).astype("float64")]}, "float32 is needed"),
    ],
)
def test_what_does_not_fit_is_refused(operator, change, message):
    conv = conv3x3(8, 6)
    given = {"xs": [normal(1, 8, 6, 8)], "weight": native.transform_weight(conv.weight), "bias": conv.bias}
    with pytest.raises(Exception, match=message):
        native.conv3x3(**{**given, **change})


@pytest.mark.parametrize(
    ("options", "yes"),
    [
        ({}, True),
        ({"stride": 2}, False),
        ({"padding": 0}, False),
        ({"dilation": 2, "padding": 2}, False),
        ({"groups": 2}, False),
        ({"kernel_size": 1, "padding": 0}, False),
        ({"kernel_size": 7, "padding": 3}, False),
    ],
)
def test_only_what_it_knows_goes_to_it(options, yes):
    conv = nn.Conv2D(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, "padding": 1, **options})
    assert not convolves(conv)
    with lowered(Lowering(native=False)):
        assert not convolves(conv)
    with lowered(NATIVE):
        assert convolves(conv) == yes


@pytest.mark.parametrize("stride", [1, 2])  # the second stays Paddle's
def test_the_same_with_and_without_it(operator, stride):
    conv, xs = conv3x3(8, 12, stride=stride), [normal(2, 3, 12, 10), normal(2, 5, 12, 10)]
    size = [12 // stride, 10 // stride]
    plus = normal(2, 12, *size)
    calls = [{"slope": 0.1}, {"slope": 0.0, "plus": plus}, {"shuffled": True, "slope": 0.1}]
    expected = [convolve(conv, *xs, **call) for call in calls]
    y = conv(paddle.concat(xs, axis=1))
    by_hand = [F.leaky_relu(y, 0.1), plus + F.relu(y), F.pixel_shuffle(F.leaky_relu(y, 0.1), 2)]
    with lowered(NATIVE):
        for call, one, other in zip(calls, expected, by_hand, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
            assert_close(convolve(conv, *xs, **call), one)


CALL = """
import paddle
from ppvsr.ops import native
native.load()
weight = native.transform_weight(paddle.rand([4, 8, 3, 3]))
native.conv3x3([paddle.rand([2, 8, 5, 7])], weight, paddle.zeros([4]))
"""


@pytest.mark.slow
def test_it_says_how_long_it_took_when_asked(operator):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PPVSR_VERBOSE": "1"}
    child = subprocess.run([sys.executable, "-c", CALL], capture_output=True, text=True, env=environment, check=True)
    (line,) = (line for line in child.stdout.splitlines() if line.startswith("ppvsr_verbose"))
    *_, name, shape, milliseconds = line.split(",")
    assert (name, shape) == ("conv3x3", "mb2_ic8oc4_ih5oh5kh3_iw7ow7kw3") and float(milliseconds) > 0


def test_a_chain_runs_its_activations(operator):
    chain = nn.Sequential(conv3x3(8, 4), nn.LeakyReLU(0.3), conv3x3(4, 4), conv3x3(4, 2), nn.LeakyReLU(0.1))
    xs = [normal(1, 2, 9, 9), normal(1, 6, 9, 9)]
    expected = chain(paddle.concat(xs, axis=1))
    np.testing.assert_array_equal(run_chain(chain, *xs).numpy(), expected.numpy())
    with lowered(NATIVE):
        assert_close(run_chain(chain, *xs), expected)


def test_gradients_flow_outside_of_compiled_steps():
    conv, x = conv3x3(4, 4), normal(1, 4, 6, 6)
    convolve(conv, x, slope=0.1, plus=x).sum().backward()
    assert conv.weight.grad is not None
