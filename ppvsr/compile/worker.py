"""Clips to prove programs with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COARSENESS = (2, 4, 8, 16)  # pixels that its patches are wide
SOFT = np.array([1, 2, 1]) / 4
PACE = (1, 2)  # pixels down and to the right, from frame to frame


def moving_clip(rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float32]:
    """Return clips (b, t, c, h, w) in 0..1 like films: soft patches of all sizes, which move.

    Of noise, a network that was trained on films makes wild motions, in which the last digits of a sum grow a
    thousandfold from frame to frame: that is no measure of whether a program computes what the network does.
    """
    b, t, c, h, w = shape
    down, right = PACE
    tall, wide = h + (t - 1) * down, w + (t - 1) * right
    picture = np.zeros((b, c, tall, wide))
    for side in COARSENESS:
        patches = rng.random((b, c, math.ceil(tall / side), math.ceil(wide / side)))
        picture += patches.repeat(side, 2).repeat(side, 3)[..., :tall, :wide]
    for axis in (2, 3):
        picture = np.apply_along_axis(_soften, axis, picture)
    picture = (picture - picture.min()) / (picture.max() - picture.min())
    frames = [picture[..., i * down : i * down + h, i * right : i * right + w] for i in range(t)]
    return np.stack(frames, axis=1).astype(np.float32)


def _soften(line: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.convolve(np.pad(line, len(SOFT) // 2, mode="edge"), SOFT, mode="valid")
