import re
from collections import Counter

import numpy as np
import pytest

from ppvsr.compile.steps import export, load, record
from ppvsr.ops import native
from ppvsr.ops.deform import use_native
from tests.archs.nets import clip, tiny

PADDLES = "conv2d", "leaky_relu", "relu", "deformable_conv", "tanh", "sigmoid", "pixel_shuffle"


@pytest.fixture(scope="module")
def examples():
    net = tiny("MSVSR")
    net.eval()
    return net, record(net, [clip(1, 3, 64, 64)])[1]


def operators(net, example, path, **how):
    export(net, example, path, **how)
    return Counter(re.findall(r'"#":"(?:\d+\.)?(\w+)"', path.with_suffix(".json").read_text()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "copies"),  # of a flow in two parts for the warp, of the zeros before the first frame
    [(("local_fusion",), 0), (("begin", "stage2_forward"), 1), (("propagate", "stage2_forward"), 2)],
)
def test_steps_of_convolutions_are_own_operators_without_copies_between_them(examples, tmp_path, key, copies):
    if reason := native.load():
        pytest.skip(reason)
    net, steps = examples
    use_native(net)
    found = operators(net, steps[key], tmp_path / "step", native=True)
    assert found["ppvsr_conv3x3"] >= 3
    assert not [name for name in PADDLES if found[name]]
    assert found["assign"] == copies
    answer = load(tmp_path / "step", threads=1)(list(steps[key].inputs))
    np.testing.assert_allclose(answer[0].numpy(), steps[key].answer[0].numpy(), rtol=0, atol=2e-4)


def test_without_a_compiler_they_are_paddles(examples, tmp_path):
    net, steps = examples
    found = operators(net, steps["local_fusion",], tmp_path / "step", native=False)
    assert found["conv2d"] >= 3 and not [name for name in found if name.startswith("ppvsr_")]
