"""PSNR and SSIM against the values of the reference implementation and of the other toolkits' tests."""

import numpy as np
import pytest

from ppvsr.evaluate.metrics import PSNR, SSIM, EndPointError, psnr, ssim

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


@pytest.mark.parametrize(
    ("y", "expected_psnr", "expected_ssim"), [(False, 6.054729, 0.8018928), (True, 7.376651, 0.8326567)]
)
def test_equals_mindediting(y, expected_psnr, expected_ssim):
    ones, halves = (np.full((16, 16, 3), value, np.uint8) for value in (255, 128))  # 1 and 0.5, times 255, rounded
    assert psnr(ones, halves, y=y) == pytest.approx(expected_psnr, abs=TOLERANCE)
    assert ssim(ones, halves, y=y) == pytest.approx(expected_ssim, abs=TOLERANCE)


def direct_ssim(a, b):
    """SSIM of one channel as it is defined, window by window."""
    distance = np.arange(-5, 6) ** 2
    weights = np.exp(-(distance[:, None] + distance[None]) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p, q = (x[top : top + 11, left : left + 11].astype(float) for x in (a, b))
            mp, mq = (weights * p).sum(), (weights * q).sum()
            vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
            cov = (weights * (p - mp) * (q - mq)).sum()
            c1, c2 = 2.55**2, 7.65**2
            values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return np.mean(values)


@pytest.mark.parametrize("height", [11, 30, 58, 59])  # around the strips that it is computed in
def test_ssim_is_its_definition_in_strips_of_any_height(height):
    rng = np.random.default_rng(height)
    a = rng.integers(0, 256, (height, 17, 3), dtype=np.uint8)
    b = np.clip(a + rng.integers(-30, 31, a.shape), 0, 255).astype(np.uint8)
    expected = np.mean([direct_ssim(a[..., c], b[..., c]) for c in range(3)])
    assert ssim(a, b) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("crop", [0, 4])
@pytest.mark.parametrize("y", [False, True])
def test_the_classes_of_the_configs_are_the_functions(pair, crop, y):
    options = {"crop_border": crop, "input_order": "HWC", "test_y_channel": y}
    assert PSNR(**options)(*pair) == psnr(*pair, crop_border=crop, y=y)
    assert SSIM(**options)(*pair) == ssim(*pair, crop_border=crop, y=y)
    assert PSNR()(*pair) == psnr(*pair) and SSIM()(*pair) == ssim(*pair)


def test_pictures_that_cannot_be_measured_are_refused(pair):
    a, b = pair
    with pytest.raises(ValueError, match="40x32 cannot be measured against one of 39x32"):
        psnr(a, b[:, 1:])
    with pytest.raises(ValueError, match="crop_border 16 does not leave enough of pictures of 40x32: 1x1 pixels"):
        psnr(a, b, crop_border=16)
    with pytest.raises(ValueError, match="crop_border 11 does not leave enough of pictures of 40x32: 11x11 pixels"):
        ssim(a, b, crop_border=11)


def test_end_point_error_is_the_mean_distance_where_it_counts():
    truth = np.zeros((2, 4, 3), np.float32)
    truth[..., :2], truth[:, 2:, 2] = (3, 4), 1
    flow = np.zeros((2, 4, 3), np.float32)
    assert EndPointError()(flow, truth) == EndPointError(zero=True)(flow + 9, truth) == pytest.approx(5)
    flow[:, 2, :2] = 3, 4
    assert EndPointError()(flow, truth) == pytest.approx(2.5)
    assert EndPointError()(flow, np.zeros((2, 4, 3), np.uint8)) == 0
