import pytest

from ppvsr.archs.edvr import EDVRNet
from ppvsr.errors import ConfigError
from tests.archs.nets import clip, without_gradient
from tests.archs.parity import fill

SMALL = {"nf": 8, "front_RBs": 1, "back_RBs": 1}
DEBLUR = {"scale_factor": 1, "predeblur": True, "HR_in": True}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"w_TSA": False}, {"predeblur": True}, DEBLUR, {"nframes": 3, "center": 0}])
def test_every_kind_learns(options):
    net = fill(EDVRNet(**SMALL, **options))
    (output,) = net(clip(1, net.nframes, 16, 32))
    assert output.shape == [1, 3, net.scale * 16, net.scale * 32]
    (output - 0.5).square().mean().backward()
    assert without_gradient(net) == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 3}, r"groups: 3 does not divide nf \(8\); allowed: 1, 2, 4, 8"),
        ({"out_nf": 1}, r"out_nf: 1 must equal in_nf \(3\)"),
        ({"HR_in": True, "scale_factor": 1}, "HR_in: True needs predeblur: True"),
        ({"scale_factor": 2}, "scale_factor: 2 cannot be; allowed: 4 with HR_in: False"),
        ({"center": 5}, "center: 5 is no frame of a window of nframes: 5"),
    ],
)
def test_refuses_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        EDVRNet(**{**SMALL, **options})


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 4, 32, 32), "5 frames at a time, this clip has 4"), ((1, 5, 32, 34), "34x32 do not fit.*multiples of 4")],
)
def test_refuses_what_is_no_window(shape, message):
    with pytest.raises(ValueError, match=message):
        EDVRNet(**SMALL)(clip(*shape))
