import paddle
import pytest

from ppvsr.archs.basicvsr import IconVSR, window_index
from ppvsr.errors import ConfigError
from tests.archs.nets import clip, tiny


@pytest.mark.parametrize(
    ("t", "padding", "before", "after"),
    [
        (20, 2, [4, 3], [16, 15]),  # as published weights were trained
        (20, 3, [6, 5, 4], [15, 14, 13]),
        (5, 2, [4, 3], [1, 0]),
        (4, 2, [2, 1], [2, 1]),  # too short for that: mirrored
        (2, 2, [0, 1], [0, 1]),
        (1, 2, [0, 0], [0, 0]),
    ],
)
def test_windows_at_the_ends_of_a_clip(t, padding, before, after):
    assert [window_index(i, t, padding) for i in range(-padding, 0)] == before
    assert [window_index(i, t, padding) for i in range(t, t + padding)] == after
    assert [window_index(i, t, padding) for i in range(t)] == list(range(t))


@pytest.mark.parametrize(("t", "keys"), [(1, [0]), (5, [0, 4]), (6, [0, 5]), (12, [0, 5, 10, 11])])
def test_keyframes(t, keys):
    assert tiny("IconVSR").keyframes(t) == keys


@pytest.mark.slow
def test_clip_with_frames_that_are_no_keyframes():
    net = tiny("IconVSR", keyframe_stride=4)
    with paddle.no_grad():
        (output,) = net(clip(1, 7, 64, 66))
    assert output.shape == [1, 7, 3, 256, 264]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mid_channels": 12}, "mid_channels: 12 is no positive multiple of 8"),
        ({"padding": 0}, "padding: 0 must be at least 1"),
        ({"keyframe_stride": 0}, "keyframe_stride: 0 must be at least 1"),
    ],
)
def test_refuses_options_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        IconVSR(**options)
