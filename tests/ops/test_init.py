import numpy as np
import paddle.nn as nn

from ppvsr.ops.deform import FlowGuidedAlignment
from ppvsr.ops.init import reset_weights
from ppvsr.ops.layers import PixelShufflePack


def values(layer):
    return {key: value.numpy() for key, value in layer.state_dict().items()}


def test_layers_start_within_their_bounds():
    net = nn.Sequential(nn.Conv2D(4, 8, 3), FlowGuidedAlignment(8, groups=2))
    before = values(net)
    reset_weights(net)
    bounds = {"0.": 36, "1.conv_offset.0.": 18 * 9, "1.conv_offset.4.": 72, "1.dcn.": 72}  # fan-in
    for key, value in values(net).items():
        if key.startswith("1.conv_offset.6."):  # what predicts offsets starts at zero
            assert (value == 0).all(), key
            continue
        assert (value != before[key]).all(), key
        for prefix, fan_in in bounds.items():
            if key.startswith(prefix):
                assert np.abs(value).max() <= 1 / np.sqrt(fan_in), key
                assert "bias" in key or np.abs(value).max() > 0.9 / np.sqrt(fan_in), key


def test_layers_that_have_their_own_start_keep_it():
    net = nn.Sequential(PixelShufflePack(4, 4))
    before = values(net)
    reset_weights(net)
    after = values(net)
    assert all((after[key] == before[key]).all() for key in before)
