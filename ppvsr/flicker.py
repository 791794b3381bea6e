"""Warping error: how much a clip flickers, after Lai et al., "Learning Blind Video Temporal Consistency" (ECCV 2018).

A frame is compared with the one before it, brought into its place along the optical flow, wherever the flow can be
trusted. What differs there is neither movement nor uncovering: it is flicker, or detail that does not move along.

As in the paper: mean of the squared differences of samples in [0, 1] over the visible pixels, mean over the pairs of
neighbouring frames, and a pixel is not visible where forward and backward flow disagree. Unlike there: the flow is
OpenCV's DIS, estimated on the truth, so that a blurred or flickering result cannot choose a flow that suits it; pixels
that come from outside the picture do not count; those at the borders of moving things do.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

UNIT = 1e3  # values are given in thousandths
SMALLEST, SLIMMEST = 32, 16  # sides in pixels and their ratio; beyond, OpenCV's DIS refuses, or crashes


@dataclass(frozen=True)
class Motion:
    """From where the pixels of a frame come.

    x, y: (h, w) float32, the place in the frame before.  visible: (h, w) bool, whether that can be trusted.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    visible: NDArray[np.bool_]


def find_motion(previous: Picture, current: Picture) -> Motion:
    """Estimate the motion between two neighbouring frames, RGB (h, w, 3) uint8 of any size."""
    before, now = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (previous, current))
    backward, forward = _flow(now, before), _flow(before, now)
    height, width = now.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + backward[..., 0], rows + backward[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    onward = cv2.remap(forward, x, y, cv2.INTER_LINEAR)  # from there, where does forward flow lead?
    agree = _square(backward + onward) <= 0.01 * (_square(backward) + _square(onward)) + 0.5
    return Motion(x, y, inside & agree)


def warping_error(previous: Picture, current: Picture, motion: Motion) -> float:
    """Return the mean squared difference, in thousandths, between a frame and the one before it brought into its place.

    The pictures have the size that the motion was estimated on; (h, w, 3) uint8. 0 is best; where nothing is visible
    (a cut), 0 as well, since nothing can be said.
    """
    if not motion.visible.any():
        return 0.0
    moved = cv2.remap(
        previous.astype(np.float32), motion.x, motion.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    difference = (moved - current)[motion.visible] / 255.0
    return float(np.mean(np.square(difference), dtype=np.float64) * UNIT)


def _flow(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the flow (h, w, 2), x first, by which a pixel of `source` is found in `target`."""
    height, width = source.shape
    least = max(SMALLEST, height // SLIMMEST, width // SLIMMEST)
    margins = (0, max(least - height, 0), 0, max(least - width, 0))
    source, target = (cv2.copyMakeBorder(each, *margins, cv2.BORDER_REPLICATE) for each in (source, target))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(source, target, None)
    return np.ascontiguousarray(flow[:height, :width])


def _square(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.square(flow).sum(axis=2)
