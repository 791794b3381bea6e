"""PSNR and SSIM against the values of the reference implementation and of the other toolkits' tests."""

import numpy as np
import pytest

from ppvsr.metrics import psnr, ssim

TOLERANCE = 1e-5  # dB: the references compute in float32


@pytest.fixture
def pair():
    rng = np.random.RandomState(0)
    a = rng.randint(0, 256, (32, 40, 3)).astype(np.uint8)
    return a, np.clip(a + rng.randint(-20, 21, a.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("crop", "y", "expected_psnr", "expected_ssim"),
    [
        (0, False, 26.726198, 0.986679),
        (0, True, 31.566639, 0.986189),
        (4, False, 26.761662, 0.986738),
        (4, True, 31.450757, 0.986662),
    ],
)
def test_equals_paddlegan(pair, crop, y, expected_psnr, expected_ssim):
    assert psnr(*pair, crop_border=crop, y=y) == pytest.approx(expected_psnr, abs=TOLERANCE)
    assert ssim(*pair, crop_border=crop, y=y) == pytest.approx(expected_ssim, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("crop", "y", "expected_psnr", "expected_ssim"),
    [
        (0, False, 48.1308036, 0.9130623),
        (0, True, 49.4527218, 0.9987801),
        (4, False, 48.1308036, 0.9130623),
    ],
)
def test_equals_mmagic(crop, y, expected_psnr, expected_ssim):
    ones, twos = (np.full((32, 32, 3), value, np.uint8) for value in (1, 2))
    assert psnr(ones, twos, crop_border=crop, y=y) == pytest.approx(expected_psnr, abs=TOLERANCE)
    assert ssim(ones, twos, crop_border=crop, y=y) == pytest.approx(expected_ssim, abs=TOLERANCE)


def test_extremes():
    black, white = (np.full((16, 16, 3), value, np.uint8) for value in (0, 255))
    assert psnr(black, white) == 0
    assert psnr(white, white) == float("inf")
