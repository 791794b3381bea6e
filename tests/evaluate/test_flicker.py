"""The warping error tells flicker from movement."""

import numpy as np
import pytest

from ppvsr.evaluate.metrics import find_motion, warping_error


def texture(height, width, seed=0, shift=0.0):
    """Waves of many directions, smooth enough for optical flow: (h, w, 3) uint8, moved to the left by `shift`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [rng.uniform(-0.25, 0.25, 2) for _ in range(20)]
    picture = sum(np.sin(a * (x + shift) + b * y + rng.uniform(0, 6)) for a, b in waves)
    grey = 127 + 10 * picture
    return np.stack([grey, 0.8 * grey, 255 - grey], axis=2).clip(0, 255).astype(np.uint8)


def noisy(picture, seed, level=8):
    noise = np.random.default_rng(seed).normal(0, level, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def pan(count, step=3.0, height=80, width=96):
    return [texture(height, width, shift=step * i) for i in range(count)]


def test_a_still_clip_does_not_flicker_and_noise_on_it_does():
    still = texture(80, 96)
    motion = find_motion(still, still)
    assert motion.visible.all()
    assert warping_error(still, still, motion) == 0
    error = warping_error(noisy(still, 1), noisy(still, 2), motion)
    assert error == pytest.approx(2 * 8**2 / 255**2 * 1e3, rel=0.1)  # the variance of both noises, in thousandths


def test_movement_is_not_flicker():
    before, now = pan(2)
    motion = find_motion(before, now)
    frozen = np.mean((before / 255 - now / 255) ** 2) * 1e3  # what it would be without following the movement
    assert warping_error(before, now, motion) < 0.05 * frozen
    assert warping_error(noisy(before, 1), noisy(now, 2), motion) > 5 * warping_error(before, now, motion)


def test_a_pan_comes_from_the_right_and_its_new_edge_is_not_visible():
    before, now = pan(2, step=4)
    motion = find_motion(before, now)
    assert np.median(motion.x - np.arange(96)) == pytest.approx(4, abs=0.3)
    assert np.median(motion.y - np.arange(80)[:, None]) == pytest.approx(0, abs=0.3)
    assert not motion.visible[:, -2:].any() and motion.visible[20:-20, 20:-20].mean() > 0.9


def test_half_a_pixel_from_outside_is_not_visible_either():
    motion = find_motion(*pan(2, step=0.5))
    assert not motion.visible[:, -1].any() and motion.visible[10:-10, 10:-10].all()


def test_what_a_moving_thing_covers_does_not_count():
    ground, thing = texture(96, 128, 1), texture(40, 40, 2)
    before, now = ground.copy(), ground.copy()
    before[30:70, 30:70], now[30:70, 42:82] = thing, thing
    motion = find_motion(before, now)
    uncovered = (slice(30, 70), slice(30, 42))  # it was behind the thing before
    assert motion.visible[uncovered].mean() < 0.5 < 0.9 < motion.visible[80:, 90:].mean()


def test_where_nothing_is_visible_nothing_is_said():
    still = texture(40, 40)
    motion = find_motion(still, still)
    motion.visible[:] = False
    assert warping_error(still, 255 - still, motion) == 0


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (12, 300), (300, 12), (33, 2000)])
def test_any_size_can_be_measured(size):
    picture = texture(*size)
    motion = find_motion(picture, picture)
    assert motion.x.shape == motion.visible.shape == size
    assert warping_error(picture, picture, motion) == pytest.approx(0, abs=0.5)
