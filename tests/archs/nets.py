"""Networks small enough for a test, with weights that let every part of them work."""

from collections import Counter
from contextlib import contextmanager

import paddle
import pytest

from ppvsr.archs import recurrent
from ppvsr.archs.basicvsr import BasicVSR, IconVSR
from ppvsr.archs.basicvsr_pp import BasicVSRPlusPlus
from ppvsr.archs.edvr import EDVRNet
from ppvsr.archs.msvsr import MSVSR
from ppvsr.archs.spynet import SPyNet
from ppvsr.compile.steps import replaced
from tests.archs.parity import fill

CLASSES = {
    "MSVSR": MSVSR,
    "BasicVSRNet": BasicVSR,
    "IconVSR": IconVSR,
    "BasicVSRPlusPlus": BasicVSRPlusPlus,
    "EDVRNet": EDVRNet,
}
SHORT = {"num_init_blocks": 1, "num_blocks": 1, "num_reconstruction_blocks": 1, "deform_groups": 4, "stage1_groups": 4}
TINY = {
    "MSVSR": {"mid_channels": 4, **SHORT},
    "BasicVSRNet": {"mid_channels": 4, "num_blocks": 1},
    "IconVSR": {"mid_channels": 8, "num_blocks": 1, "padding": 1},
    "BasicVSRPlusPlus": {"mid_channels": 16, "num_blocks": 1},
}


def tiny(name, **options):
    """Build a network whose flow and high resolution, which no option makes smaller, do not take all the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent, "HEAD_CHANNELS", 8)
        net = CLASSES[name](**{**TINY[name], **options})
    if options.get("use_tiny_spynet", True):
        net.spynet = SPyNet("tiny")
    return fill(net)


def clip(*shape, seed=0):
    """Return random frames of b, t, h, w."""
    paddle.seed(seed)
    b, t, h, w = shape
    return paddle.rand([b, t, 3, h, w])


def without_gradient(net):
    """Return the names of the parameters that the last backward pass gave no gradient, or only zeros."""
    return {name for name, p in net.named_parameters() if p.grad is None or not float(p.grad.abs().max())}


@contextmanager
def answering(net, answer):
    """Have `answer(key, number, call)` take the place of every step; calls are counted by branch, else by step."""
    counts = Counter()

    def replacement(name, own):
        def step(*arguments):
            words = tuple(each for each in arguments if isinstance(each, str))
            key = words[0] if words else name
            counts[key] += 1
            return answer((name, *words), key, counts[key] - 1, lambda: own(*arguments))

        return step

    with replaced(net, replacement):
        yield counts
