"""The preview: bicubic left of the line, ours right of it, and a line that sweeps over the film once."""

from fractions import Fraction

import numpy as np
import pytest

from ppvsr.enhance.finish import Wipe, join, preview
from ppvsr.resize import resize
from ppvsr.video.frames import Frame

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
HALF = Fraction(1, 2)


def pair(width=80, height=8, dtype=np.uint8):
    return np.full((height, width, 3), 60, dtype), np.full((height, width, 3), 90, dtype)


def column_of(image):
    """The middle of the white line."""
    (white,) = np.nonzero(image[0, :, 0] == np.iinfo(image.dtype).max)
    return (white[0] + white[-1] + 1) / 2


@DTYPES
def test_bicubic_is_left_of_a_white_line_with_black_edges_and_ours_right_of_it(dtype):
    left, right = pair(dtype=dtype)
    joined = join(left, right, HALF)
    top = np.iinfo(dtype).max
    assert joined.shape == left.shape
    assert joined.dtype == dtype
    for row in joined[:, :, 1]:
        np.testing.assert_array_equal(row, [60] * 38 + [0, top, top, 0] + [90] * 38)


def test_the_line_is_as_thick_as_the_picture_is_large():
    joined = join(*pair(width=2560), HALF)
    assert (joined[0, :, 0] == 255).sum() == 4
    assert (joined[0, :, 0] == 0).sum() == 4


@pytest.mark.parametrize(
    ("time", "column"), [(0, 20), (1, 40), (2, 60), (3, 40), (Fraction(7, 2), 30), (4, 20), (5, 40), (6, 60)]
)
def test_the_line_goes_from_a_quarter_to_three_quarters_and_back(time, column):
    assert column_of(Wipe(Fraction(4))(*pair(), Fraction(time))) == column


def test_a_still_has_the_line_in_the_middle():
    assert column_of(Wipe(Fraction(4)).still(*pair())) == 40


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_pictures_of_a_few_pixels_are_joined(width):
    for place in (Fraction(0), Fraction(1, 4), HALF, Fraction(1)):
        assert join(*pair(width=width), place).shape == (8, width, 3)


def late(frames):
    """A chain of x 4 that blackens, and gives nothing before it has seen everything."""
    for frame in list(frames):
        height, width, _ = frame.image.shape
        yield Frame(np.zeros((4 * height, 4 * width, 3), frame.image.dtype), frame.time, frame.duration)


def film(count, begin=Fraction(0)):
    rng = np.random.default_rng(5)
    for n in range(count):
        yield Frame(rng.integers(1, 200, (4, 20, 3), np.uint8), begin + Fraction(n, 25), Fraction(1, 25))


def test_a_preview_joins_every_result_with_the_bicubic_of_its_own_source():
    stills = []
    results = list(preview(film(10, Fraction(3)), late, seconds=Fraction(10, 25), still=stills.append))
    for n, (result, source) in enumerate(zip(results, film(10, Fraction(3)), strict=True)):
        bicubic = resize(source.image, 16, 80)
        place = Fraction(1, 4) + HALF * Fraction(min(2 * n, 20 - 2 * n), 10)
        np.testing.assert_array_equal(result.image, join(bicubic, np.zeros_like(bicubic), place))
        assert (result.time, result.duration) == (source.time, source.duration)


def test_one_still_is_given_of_the_middle_of_the_film():
    stills = []
    list(preview(film(10, Fraction(3)), late, seconds=Fraction(10, 25), still=stills.append))
    bicubic = resize(list(film(10))[5].image, 16, 80)
    (still,) = stills
    np.testing.assert_array_equal(still, join(bicubic, np.zeros_like(bicubic), HALF))


def test_a_film_that_ends_early_has_a_still_of_its_last_frame():
    stills = []
    list(preview(film(3), late, seconds=Fraction(10), still=stills.append))
    bicubic = resize(list(film(3))[2].image, 16, 80)
    (still,) = stills
    np.testing.assert_array_equal(still, join(bicubic, np.zeros_like(bicubic), HALF))


def test_a_preview_of_nothing_is_nothing():
    assert list(preview(iter(()), late, seconds=Fraction(1), still=pytest.fail)) == []
