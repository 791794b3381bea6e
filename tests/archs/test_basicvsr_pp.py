import paddle
import pytest

from ppvsr.archs.basicvsr_pp import BasicVSRPlusPlus
from ppvsr.errors import ConfigError
from tests.archs.nets import clip, tiny


def test_restores_frames_at_their_own_size():
    net = tiny("BasicVSRPlusPlus", is_low_res_input=False)
    assert (net.scale, net.min_size, net.size_multiple) == (1, 256, 4)
    lq = clip(1, 2, 256, 260)
    with paddle.no_grad():
        (output,) = net(lq)
    assert output.shape == lq.shape


@pytest.mark.parametrize(
    ("h", "w", "message"), [(252, 256, "256x252 are too small.*256"), (256, 257, "257x256 do not fit.*multiples of 4")]
)
def test_restoration_refuses_sizes_that_do_not_fit(h, w, message):
    net = tiny("BasicVSRPlusPlus", is_low_res_input=False)
    with pytest.raises(ValueError, match=message):
        net(clip(1, 1, h, w))


def test_flows_add_up():
    near, far = paddle.full([1, 2, 8, 8], 1.0), paddle.full([1, 2, 8, 8], 2.0)
    assert bool((BasicVSRPlusPlus.compose(None, near, far)[:, :, :7, :7] == 3).all())


def test_width_must_suit_the_groups():
    with pytest.raises(ConfigError, match="mid_channels: 24 is no positive multiple of 16"):
        BasicVSRPlusPlus(mid_channels=24)
