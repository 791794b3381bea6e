"""MATLAB's `imresize` with the bicubic kernel: the convention behind every BIx4 benchmark, and the honest baseline.

Keys' cubic with a = -0.5, stretched by 1 / scale when shrinking (antialiasing), weights normalised per sample, edges
mirrored; the image is rounded once, at the end, halves up, as MATLAB does with `im2uint8(imresize(im2double(...)))`.

All sums are doubles. When a side is multiplied or divided by a power of two, the weights are dyadic (x4 down: whole
4096ths), so every product and sum is exact, in whatever order the processor takes them; and so is the rounding. At
other scales, where weights are thirds or sevenths, samples that are halves exactly may fall either way.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Image = TypeVar("Image", bound=NDArray[Any])
Band = tuple[slice, slice, NDArray[Any]]

PRODUCT = 200_000  # multiplications at a time: BLAS leaves so few to one thread, instead of waiting for busy cores


def resize(image: Image, height: int, width: int) -> Image:
    """Resize (h, w) or (h, w, c) to `height` x `width`, rows first.

    Integers come back as the same integers, clipped and rounded half up; floats come back as float32, unrounded.
    """
    integer = np.issubdtype(image.dtype, np.integer)
    source = image.reshape(image.shape[0], -1)  # samples of a pixel side by side: a row is one long vector
    channels = source.shape[1] // image.shape[1]
    out = np.empty((height, width * channels), image.dtype if integer else np.float32)
    columns = _bands(image.shape[1], width, channels)
    for rows, taps, weights in _bands(image.shape[0], height):  # a strip at a time stays in the processor's cache
        narrow = np.empty((weights.shape[1], source.shape[1]))
        step = max(1, PRODUCT // weights.size)
        for part in (slice(left, left + step) for left in range(0, source.shape[1], step)):
            np.matmul(weights.T, source[taps, part].astype(np.float64), out=narrow[:, part])
        strip = np.empty((len(narrow), width * channels))
        for part, taps, weights in columns:
            np.matmul(narrow[:, taps], weights, out=strip[:, part])
        if integer:
            _round(strip, out[rows])
        else:
            out[rows] = strip
    return out.reshape(height, width, *image.shape[2:])  # type: ignore[return-value]


def _round(samples: NDArray[np.float64], out: NDArray[np.integer]) -> None:
    """Clip and round half up; `samples` are used up."""
    limits = np.iinfo(out.dtype)
    np.clip(samples, limits.min, limits.max, out=samples)
    samples += 0.5
    np.floor(samples, out=out, casting="unsafe")


@lru_cache(maxsize=32)
def _bands(size: int, new_size: int, channels: int = 1) -> list[Band]:
    """Cut the resizing of one side into small dense matrices: (new samples, samples needed, weights (needed, new)).

    The full matrix, (new_size, size), is nearly empty; along its diagonal the pieces are about a third full, and a
    product of those costs less than gathering. With `channels`, every sample stands for so many neighbours.
    """
    source, weights = _taps(size, new_size)
    step = max(1, round(2 * len(source) * new_size / size))  # new samples at a time: twice the kernel's width
    bands = []
    for first in range(0, new_size, step):
        last = min(first + step, new_size)
        near, blend = source[:, first:last], weights[:, first:last]
        low, high = near[blend != 0].min(), near[blend != 0].max() + 1
        matrix = np.zeros((size, last - first))
        np.add.at(matrix, (near, np.arange(last - first)[None]), blend)  # mirrored samples may come twice
        new, needed = slice(first * channels, last * channels), slice(low * channels, high * channels)
        bands.append((new, needed, np.kron(matrix[low:high], np.eye(channels))))
    return bands


def _taps(size: int, new_size: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
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
    return mirrored[source[used] % (2 * size)], weights[used]


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
