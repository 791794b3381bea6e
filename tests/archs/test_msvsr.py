import itertools

import paddle
import pytest

from ppvsr.archs.msvsr import MSVSR
from ppvsr.errors import ConfigError
from tests.archs.nets import clip, tiny, without_gradient

SWITCHES = ("auxiliary_loss", "use_refine_align", "use_local_connect")


@pytest.mark.slow
@pytest.mark.parametrize("values", list(itertools.product([True, False], repeat=3)))
def test_every_combination_of_switches_learns(values):
    on = dict(zip(SWITCHES, values, strict=True))
    net = tiny("MSVSR", **on)
    outputs = net(clip(1, 2, 64, 64))
    assert [output.shape for output in outputs] == [[1, 2, 3, 256, 256]] * (1 + on["auxiliary_loss"])

    sum((output - 0.5).square().mean() for output in outputs).backward()
    unused = set()  # these are built nevertheless, because published weights have them
    if not on["use_local_connect"]:
        unused |= {"hybrid_conv_last"}
    if not on["use_local_connect"] and not on["auxiliary_loss"]:
        unused |= {"aux_upsample1", "aux_upsample2"}
    assert {name.split(".")[0] for name in without_gradient(net)} == unused


def test_evaluates_to_the_last_output_of_training():
    net = tiny("MSVSR", only_last=False, use_tiny_spynet=False)
    lq = clip(1, 2, 64, 64)
    with paddle.no_grad():
        net.train()
        _, final = net(lq)
        net.eval()
        (answer,) = net(lq)
    assert bool((answer == final).all())


@pytest.mark.parametrize("option", ["deform_groups", "stage1_groups"])
def test_groups_must_divide_the_channels(option):
    message = rf"{option}: 3 does not divide mid_channels \(32\); allowed: 1, 2, 4, 8, 16, 32"
    with pytest.raises(ConfigError, match=message):
        MSVSR(**{option: 3})
