"""PSNR, SSIM, end-point error, and flicker, as the papers measure them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

# ---- PSNR and SSIM as the papers measure them: on uint8 pictures, borders cut first, then RGB or BT.601 luma.
# And the error of optical flow, whose pictures are (h, w, 3) float: pixels along x and y, and how much a place counts.

Picture = NDArray[np.uint8]

IDENTICAL = 100.0  # dB that two equal pictures count for in a mean, where infinity would drown all others
TAPS = 11  # of SSIM's window, a Gaussian
STRIP = 48  # rows at a time: what SSIM computes in between stays in the processor's cache


@dataclass(frozen=True)
class PSNR:
    """`psnr` with its options, under the names of the YAML files; infinite for equal pictures."""

    crop_border: int = 0
    input_order: Literal["HWC"] = "HWC"
    test_y_channel: bool = False

    def __call__(self, image: Picture, truth: Picture) -> float:
        """Measure a picture against the truth, both RGB (h, w, 3)."""
        return psnr(image, truth, crop_border=self.crop_border, y=self.test_y_channel)


@dataclass(frozen=True)
class SSIM:
    """`ssim` with its options, under the names of the YAML files."""

    crop_border: int = 0
    input_order: Literal["HWC"] = "HWC"
    test_y_channel: bool = False

    def __call__(self, image: Picture, truth: Picture) -> float:
        """Measure a picture against the truth, both RGB (h, w, 3)."""
        return ssim(image, truth, crop_border=self.crop_border, y=self.test_y_channel)


@dataclass(frozen=True)
class EndPointError:
    """How far, in pixels, flow points beside the truth, on the mean; 0 where nothing of the truth counts.

    zero: measure no flow at all, instead of the answer: the length of the motions, to compare with.
    """

    zero: bool = False

    def __call__(self, flow: NDArray[Any], truth: NDArray[Any]) -> float:
        """Measure flow against the truth, both (h, w, 3), the third channel of the truth saying what counts."""
        beside = truth[..., :2].astype(np.float64) - (0 if self.zero else flow[..., :2])
        lengths, counts = np.hypot(beside[..., 0], beside[..., 1]), truth[..., 2]
        return float((lengths * counts).sum() / max(float(counts.sum()), 1e-9))


def luma(image: Picture) -> NDArray[np.float64]:
    """Return BT.601 studio-swing Y (16..235), (h, w), not rounded, of an RGB (h, w, 3) uint8 picture."""
    return image @ np.array([65.481, 128.553, 24.966]) / 255.0 + 16.0


def psnr(image: Picture, truth: Picture, *, crop_border: int = 0, y: bool = False) -> float:
    """Peak signal-to-noise ratio in dB of two RGB (h, w, 3) uint8 pictures; infinite when they are equal.

    Raises ValueError for pictures of different sizes, and when cutting the border leaves nothing.
    """
    a, b = _inner(image, truth, crop_border)
    error = float(np.mean((_samples(a, y) - _samples(b, y)) ** 2))
    return float("inf") if error == 0 else float(20 * np.log10(255.0 / np.sqrt(error)))


def ssim(image: Picture, truth: Picture, *, crop_border: int = 0, y: bool = False) -> float:
    """Structural similarity (Wang et al. 2004; 11-tap Gaussian, sigma 1.5, valid area), mean over the channels.

    Raises ValueError for pictures of different sizes, and when cutting the border leaves less than 11x11 pixels.
    """
    a, b = _inner(image, truth, crop_border, smallest=TAPS)
    height = a.shape[0] - TAPS + 1  # of the valid area
    means = []
    for top in range(0, height, STRIP):
        rows = slice(top, min(top + STRIP, height) + TAPS - 1)
        means.append(_similarity(_samples(a[rows], y), _samples(b[rows], y)).mean(axis=(1, 2)))
    return float(np.mean(np.concatenate(means)))


def _inner(image: Picture, truth: Picture, border: int, smallest: int = 1) -> tuple[Picture, Picture]:
    """Return both without their borders. Raises ValueError, see `psnr` and `ssim`."""
    if image.shape != truth.shape:
        raise ValueError(f"a picture of {_size(image)} cannot be measured against one of {_size(truth)}")
    if border < 0 or min(image.shape[:2]) - 2 * border < smallest:
        least = f"{smallest}x{smallest} pixels are needed"
        raise ValueError(f"crop_border {border} does not leave enough of pictures of {_size(image)}: {least}")
    inner = (slice(border, image.shape[0] - border), slice(border, image.shape[1] - border))
    return image[inner], truth[inner]


def _samples(image: Picture, y: bool) -> NDArray[np.float64]:
    """Return what is measured, (h, w, 1) for Y and (h, w, 3) for RGB."""
    return luma(image)[..., None] if y else image.astype(np.float64)


def _similarity(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map of similarities (h, w, c), all channels at once, without the 5 pixels at each edge.

    In place wherever possible: passes over fresh memory cost more than the arithmetic.
    """
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    kernel = cv2.getGaussianKernel(TAPS, 1.5)
    edge = TAPS // 2

    def blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred = np.asarray(cv2.sepFilter2D(x, -1, kernel, kernel)).reshape(x.shape)  # OpenCV drops an axis of 1
        return blurred[edge:-edge, edge:-edge]

    energy = a * a
    energy += b * b
    mean_a, mean_b, covariance, variances = blur(a), blur(b), blur(a * b), blur(energy)  # of a, plus of b
    product = mean_a * mean_b
    mean_a *= mean_a
    mean_b *= mean_b
    squares = mean_a
    squares += mean_b
    covariance -= product
    variances -= squares
    product *= 2
    covariance *= 2
    for term, constant in ((product, c1), (covariance, c2), (squares, c1), (variances, c2)):
        term += constant
    product *= covariance
    squares *= variances
    product /= squares
    return product


def _size(image: Picture) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


# ---- Warping error: how much a clip flickers, after Lai et al., "Learning Blind Video Temporal Consistency" (ECCV
# 2018).
# A frame is compared with the one before it, brought into its place along the optical flow, wherever the flow can be
# trusted. What differs there is neither movement nor uncovering: it is flicker, or detail that does not move along.
# As in the paper: mean of the squared differences of samples in [0, 1] over the visible pixels, mean over the pairs of
# neighbouring frames, and a pixel is not visible where forward and backward flow disagree. Unlike there: the flow is
# OpenCV's DIS, estimated on the truth, so that a blurred or flickering result cannot choose a flow that suits it;
# pixels that come from outside the picture do not count; those at the borders of moving things do.

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
