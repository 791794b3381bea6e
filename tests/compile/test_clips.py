"""The clips that programs are proved with."""

import numpy as np

from ppvsr.compile.worker import PACE, moving_clip


def test_a_picture_with_detail_moves():
    clip = moving_clip(np.random.default_rng(0), (2, 4, 3, 33, 70))
    assert clip.shape == (2, 4, 3, 33, 70) and clip.dtype == np.float32
    assert clip.min() >= 0 and clip.max() <= 1 and clip.std() > 0.1
    down, right = PACE
    np.testing.assert_array_equal(clip[:, 1:, :, :-down, :-right], clip[:, :-1, :, down:, right:])
    assert np.abs(clip[0] - clip[1]).max() > 0.1
    steps = np.abs(np.diff(clip, axis=-1))
    assert np.quantile(steps, 0.99) > 0.05 > np.median(steps)


def test_the_same_generator_gives_the_same_clip():
    first, again, other = (moving_clip(np.random.default_rng(seed), (1, 2, 3, 9, 8)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
