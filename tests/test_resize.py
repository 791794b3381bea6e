"""MATLAB's bicubic: against a direct sum over the kernel, against whole numbers, and its properties."""

import math

import numpy as np
import pytest

from ppvsr.resize import resize


def cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def kernel(o, size, new_size):
    """The new sample's (index, weight) pairs, straight from the definition, in doubles."""
    scale = new_size / size
    stretch = min(scale, 1.0)
    centre = (o + 0.5) / scale - 0.5
    taps = range(int(centre - 2 / stretch) - 2, int(centre + 2 / stretch) + 3)
    weights = [cubic((centre - i) * stretch) for i in taps]
    mirror = [*range(size), *reversed(range(size))]
    return [(mirror[i % (2 * size)], w / sum(weights)) for w, i in zip(weights, taps, strict=True) if w]


def direct(signal, new_size):
    """One dimension in doubles."""
    size = len(signal)
    return np.array([sum(w * signal[i] for i, w in kernel(o, size, new_size)) for o in range(new_size)])


def pixel_by_pixel(image, height, width):
    """Every sample alone, in doubles, unrounded: no matrices, no strips, no order of rows and columns."""
    out = np.empty((height, width, image.shape[2]))
    rows = [kernel(y, image.shape[0], height) for y in range(height)]
    columns = [kernel(x, image.shape[1], width) for x in range(width)]
    for y, x, c in np.ndindex(*out.shape):
        out[y, x, c] = sum(v * sum(w * float(image[i, j, c]) for j, w in columns[x]) for i, v in rows[y])
    return out


def rounded_once(samples):
    """MATLAB's im2uint8: halves up, at the end only."""
    return np.floor(np.clip(samples, 0, 255) + 0.5).astype(np.uint8)


def picture(kind, height=32, width=44):
    rng = np.random.default_rng(7)
    y, x, _ = np.indices((height, width, 3))
    return {
        "noise": rng.integers(0, 256, y.shape),
        "extremes": rng.choice([0, 255], y.shape),
        "checkerboard": (x + y) % 2 * 255,
        "stripes": np.where(x // 2 % 2, 130, 71),
        "an edge": np.where(x < 22, 0, 255),
        "a ramp": x * 3 + y,
        "one white point": np.where((x == 9) & (y == 17), 255, 0),
    }[kind].astype(np.uint8)


KINDS = ["noise", "extremes", "checkerboard", "stripes", "an edge", "a ramp", "one white point"]


@pytest.mark.parametrize(("size", "new_size"), [(24, 6), (23, 6), (24, 96), (7, 28), (10, 15), (3, 12), (1, 4), (9, 3)])
def test_equals_the_definition(size, new_size):
    signal = np.random.default_rng(size).random(size)
    image = np.repeat(signal[:, None], 5, axis=1).astype(np.float32)
    np.testing.assert_allclose(resize(image, new_size, 5)[:, 2], direct(signal, new_size), atol=2e-7)
    np.testing.assert_allclose(resize(image.T.copy(), 5, new_size)[2], direct(signal, new_size), atol=2e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [2, 4])
def test_every_sample_of_a_shrunken_picture_is_that_of_doubles(kind, factor):
    image = picture(kind)
    height, width = 32 // factor, 44 // factor
    assert np.array_equal(resize(image, height, width), rounded_once(pixel_by_pixel(image, height, width)))


@pytest.mark.parametrize("kind", ["noise", "extremes", "an edge"])
@pytest.mark.parametrize("size", [(48, 64), (4, 5), (8, 10), (18, 21)])
def test_so_is_every_sample_at_other_scales(kind, size):
    image = picture(kind, 12, 16)
    exact = pixel_by_pixel(image, *size)
    clear = np.abs(exact % 1 - 0.5) > 1e-9  # thirds and sevenths have no doubles: there a half is a matter of luck
    assert clear.mean() > 0.99
    assert np.array_equal(resize(image, *size)[clear], rounded_once(exact)[clear])


def test_halves_are_rounded_up():
    image = picture("stripes")
    exact = pixel_by_pixel(image, 8, 11)
    halves = exact % 1 == 0.5
    assert halves.sum() > 100
    assert (resize(image, 8, 11)[halves] == np.ceil(exact[halves])).all()
    assert (resize(np.array([[4, 5], [5, 4]], np.uint8), 1, 1) == 5).all()  # half to even would be 4


def whole_weights(size):
    """The weights of /4 as whole 4096ths, (size / 4, size)."""
    matrix = np.zeros((size // 4, size))
    for o in range(size // 4):
        for i, weight in kernel(o, size, size // 4):
            assert (weight * 4096).is_integer()
            matrix[o, i] += weight * 4096
    return matrix


def in_whole_numbers(image):
    """A quarter of (h, w, c), in 2 ** 24ths: whole numbers below 2 ** 53, so that doubles are exact."""
    rows, columns = whole_weights(image.shape[0]), whole_weights(image.shape[1])
    return np.einsum("oi,ijc,pj->opc", rows, image.astype(np.float64), columns, optimize=True).astype(np.int64)


def test_a_sum_just_below_a_half_is_not_taken_for_one():
    pictures = np.random.default_rng(1).integers(0, 256, (20, 20, 20000), dtype=np.uint8)
    sums = in_whole_numbers(pictures)
    below = (1 << 23) - sums % (1 << 24)
    near = ((below > 0) & (below < 128)).any(axis=(0, 1))  # float32 has 16 binary places here, at best
    assert near.any()
    expected = np.clip((sums[..., near] + (1 << 23)) >> 24, 0, 255)
    assert np.array_equal(resize(pictures[..., near], 5, 5), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_no_sum_is_inexact_in_a_large_picture(dtype):
    top = np.iinfo(dtype).max
    image = np.random.default_rng(3).integers(0, top + 1, (360, 640, 3), dtype=dtype)
    expected = np.clip((in_whole_numbers(image) + (1 << 23)) >> 24, 0, top)
    assert np.array_equal(resize(image, 90, 160), expected)


@pytest.mark.parametrize("shape", [(40, 56), (40, 56, 1), (40, 56, 4), (40, 56, 64)])
def test_channels_do_not_mix(shape):
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    small = resize(image, 10, 14)
    assert small.shape == (10, 14, *shape[2:])
    planes = image.reshape(40, 56, -1)
    for c in range(math.prod(shape[2:])):
        assert np.array_equal(small.reshape(10, 14, -1)[..., c], resize(planes[..., c], 10, 14))


def test_a_view_gives_what_its_copy_gives():
    image = picture("noise")[::-1, 2:-2, ::-1]
    before = image.copy()
    assert np.array_equal(resize(image, 8, 10), resize(before, 8, 10))
    assert np.array_equal(image, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_flat_pictures_stay_flat(dtype):
    top = np.iinfo(dtype).max
    assert (resize(np.full((5, 6, 3), top, dtype), 20, 24) == top).all()
