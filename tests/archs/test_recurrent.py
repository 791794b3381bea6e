"""What every recurrent network promises."""

import numpy as np
import paddle
import pytest

from tests.archs.nets import TINY, clip, tiny, without_gradient


@pytest.fixture(scope="module", params=TINY)
def net(request):
    net = tiny(request.param)
    net.eval()
    return net


@pytest.fixture(scope="module")
def batch(net):
    """A clip of two frames, the same with another first and with another last frame; and what comes out."""
    lq = clip(1, 2, 64, 64).tile([3, 1, 1, 1, 1])
    lq[1, 0] = 1 - lq[1, 0]
    lq[2, 1] = 1 - lq[2, 1]
    return lq, run(net, lq)


def run(net, lq):
    with paddle.no_grad():
        (output,) = net(lq)
    return output


@pytest.mark.slow
@pytest.mark.parametrize(("t", "h", "w"), [(1, 64, 64), (2, 65, 70)])
def test_enlarges_clips_of_any_length_and_size(net, t, h, w):
    output = run(net, clip(1, t, h, w))
    assert output.shape == [1, t, 3, 4 * h, 4 * w]
    assert bool(paddle.isfinite(output).all())


@pytest.mark.slow
def test_every_frame_reaches_every_other(batch):
    _, output = batch
    difference = (output[1:] - output[0]).abs().max(axis=[2, 3, 4])  # (changed frame, frame)
    assert bool((difference > 0).all())


@pytest.mark.slow
def test_clips_of_a_batch_do_not_mix(net, batch):
    lq, output = batch
    alone = run(net, lq[2:]).numpy()
    np.testing.assert_allclose(alone, output[2:].numpy(), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(alone, run(net, lq[2:]).numpy())  # no memory of earlier calls


@pytest.mark.slow
@pytest.mark.parametrize("name", set(TINY) - {"MSVSR"})  # MSVSR has its own test, with all its switches
def test_every_parameter_learns(name):
    net = tiny(name)
    (output,) = net(clip(1, 2, 64, 64))
    (output - 0.5).square().mean().backward()
    assert without_gradient(net) == set()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([1, 3, 64, 64], r"shape \(b, t >= 1, 3, h, w\), this one \(1, 3, 64, 64\)"),
        ([1, 2, 4, 64, 64], r"this one \(1, 2, 4, 64, 64\)"),
        ([1, 0, 3, 64, 64], r"this one \(1, 0, 3, 64, 64\)"),
        ([1, 1, 3, 63, 80], "80x63 are too small: both sides must be at least 64"),
    ],
)
def test_refuses_what_is_no_clip(net, shape, message):
    with pytest.raises(ValueError, match=message):
        net(paddle.zeros(shape))
