"""Offsets and masks by the own operator are those of Paddle's tanh and sigmoid."""

import numpy as np
import paddle
import paddle.nn as nn
import pytest

from ppvsr.ops import native
from ppvsr.ops.deform import predict_offset
from ppvsr.ops.lowering import Lowering, lowered

GROUPS, TAPS = 4, 9
K = GROUPS * TAPS
RNG = np.random.default_rng(0)


def normal(*shape, scale=1.0):
    return paddle.to_tensor((scale * RNG.standard_normal(shape)).astype(np.float32))


def starts(kind, n, h, w):
    if kind == "refined":
        return {"start": (normal(n, 2 * K, h, w, scale=5), paddle.rand([n, K, h, w]))}
    return {"flows": [normal(n, 2, h, w, scale=5) for _ in range(kind)]}


@pytest.mark.parametrize(("n", "h", "w"), [(1, 1, 1), (2, 5, 7), (1, 16, 33)])
@pytest.mark.parametrize("kind", [1, 2, "refined"])
def test_the_operator_equals_paddles(operator, kind, n, h, w):
    answer, given = normal(n, 3 * K, h, w, scale=3), starts(kind, n, h, w)
    expected = predict_offset(nn.Sequential(), answer, **given)
    with lowered(Lowering(native=True)):
        actual = predict_offset(nn.Sequential(), answer, **given)
    for one, other, atol in zip(actual, expected, (1e-5, 1e-6), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=atol)


@pytest.mark.parametrize(("value", "residue", "mask"), [(0, 0, 0.5), (200, 10, 1), (-200, -10, 0), (1e30, 10, 1)])
def test_extreme_answers(operator, value, residue, mask):
    answer = paddle.full([1, 3 * K, 4, 5], float(value))
    offset, given = native.offsets(answer, [paddle.zeros([1, 2, 4, 5])], reach=10.0)
    np.testing.assert_allclose(offset.numpy(), residue, atol=1e-6)
    np.testing.assert_allclose(given.numpy(), mask, atol=1e-6)


def test_what_is_no_number_stays_none(operator):
    """So that a picture made of it is noticed."""
    answer = paddle.full([1, 3 * K, 4, 5], float("nan"))
    for made in native.offsets(answer, [paddle.zeros([1, 2, 4, 5])], reach=10.0):
        assert np.isnan(made.numpy()).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"flows": [normal(1, 2, 4, 6)]}, "does not fit"),
        ({"flows": [normal(1, 2, 4, 5)] * 5}, "cannot be shared out"),
        ({"start": (normal(1, K, 4, 5), normal(1, K, 4, 5))}, "does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(operator, given, message):
    with pytest.raises(Exception, match=message):
        native.offsets(normal(1, 3 * K, 4, 5), **given, reach=10.0)
