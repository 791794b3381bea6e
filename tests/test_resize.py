"""MATLAB's bicubic: against a direct sum over the kernel, and its properties."""

import numpy as np
import pytest

from ppvsr.resize import resize


def cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def direct(signal, new_size):
    """One dimension, straight from the definition, in doubles."""
    size, scale = len(signal), new_size / len(signal)
    stretch = min(scale, 1.0)
    mirror = np.concatenate([signal, signal[::-1]])
    out = []
    for o in range(new_size):
        centre = (o + 0.5) / scale - 0.5
        taps = range(int(centre - 2 / stretch) - 2, int(centre + 2 / stretch) + 3)
        weights = [cubic((centre - i) * stretch) for i in taps]
        out.append(sum(w * mirror[i % (2 * size)] for w, i in zip(weights, taps, strict=True)) / sum(weights))
    return np.array(out)


@pytest.mark.parametrize(("size", "new_size"), [(24, 6), (23, 6), (24, 96), (7, 28), (10, 15), (3, 12), (1, 4)])
def test_equals_the_definition(size, new_size):
    signal = np.random.default_rng(size).random(size)
    image = np.repeat(signal[:, None], 5, axis=1).astype(np.float32)
    np.testing.assert_allclose(resize(image, new_size, 5)[:, 2], direct(signal, new_size), atol=2e-6)
    np.testing.assert_allclose(resize(image.T.copy(), 5, new_size)[2], direct(signal, new_size), atol=2e-6)


def test_integers_are_rounded_once():
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    rows = np.stack([np.stack([direct(image[:, x, c].astype(float), 8) for x in range(40)], 1) for c in range(3)], 2)
    both = np.stack([np.stack([direct(rows[y, :, c], 10) for y in range(8)]) for c in range(3)], 2)
    expected = np.rint(np.clip(both, 0, 255)).astype(np.uint8)
    assert np.array_equal(resize(image, 8, 10), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_flat_pictures_stay_flat(dtype):
    top = np.iinfo(dtype).max
    assert (resize(np.full((5, 6, 3), top, dtype), 20, 24) == top).all()
