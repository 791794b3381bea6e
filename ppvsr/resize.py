"""MATLAB's `imresize` with the bicubic kernel: the convention behind every BIx4 benchmark, and the honest baseline.

Keys' cubic with a = -0.5, stretched by 1 / scale when shrinking (antialiasing), weights normalised per sample, edges
mirrored; the image is rounded once, at the end, as MATLAB does on doubles.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Image = TypeVar("Image", bound=NDArray[Any])

STRIP = 32  # output rows at a time: the intermediate pictures stay in the processor's cache


def resize(image: Image, height: int, width: int) -> Image:
    """Resize (h, w) or (h, w, c) to `height` x `width`, rows first.

    Integers come back as the same integers, clipped and rounded half to even; floats come back as float32, unrounded.
    """
    integer = np.issubdtype(image.dtype, np.integer)
    samples = image.astype(np.float32, copy=False)
    rows, columns = _taps(image.shape[0], height), _taps(image.shape[1], width)
    out = np.empty((height, width, *image.shape[2:]), image.dtype if integer else np.float32)
    for top in range(0, height, STRIP):
        strip = slice(top, min(top + STRIP, height))
        part = _blend(samples, rows[0][:, strip], rows[1][:, strip])
        part = _blend(np.ascontiguousarray(part.swapaxes(0, 1)), *columns).swapaxes(0, 1)
        if integer:
            limits = np.iinfo(image.dtype)
            part = np.rint(np.clip(part, limits.min, limits.max, out=part), out=part)
        out[strip] = part
    return out  # type: ignore[return-value]


def _blend(image: NDArray[np.float32], source: NDArray[np.intp], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the weighted sums of rows: row i is the sum over taps of `image[source[tap, i]] * weights[tap, i]`."""
    trailing = (1,) * (image.ndim - 1)
    out = np.zeros((source.shape[1], *image.shape[1:]), np.float32)
    for rows, weight in zip(source, weights, strict=True):
        tap = image[rows]
        tap *= weight.reshape(-1, *trailing)
        out += tap
    return out


@lru_cache(maxsize=32)
def _taps(size: int, new_size: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Where each new sample reads and with which weight, both (taps, new_size)."""
    scale = new_size / size
    support = 4.0 if scale >= 1 else 4.0 / scale
    centre = (np.arange(new_size) + 0.5) / scale - 0.5
    first = np.floor(centre - support / 2).astype(np.intp) + 1
    source = first + np.arange(int(np.ceil(support)) + 1)[:, None]
    distance = np.abs(centre - source) * min(scale, 1.0)
    weights = _cubic(distance)
    weights /= weights.sum(axis=0)
    used = np.any(weights != 0, axis=1)
    mirrored = np.concatenate([np.arange(size), np.arange(size - 1, -1, -1)])  # MATLAB's symmetric edge
    return mirrored[source[used] % (2 * size)], weights[used].astype(np.float32)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
