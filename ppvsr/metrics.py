"""PSNR and SSIM as the papers measure them: on uint8 pictures, borders cut first, then RGB or BT.601 luma."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def luma(image: Picture) -> NDArray[np.float64]:
    """Return BT.601 studio-swing Y (16..235), (h, w), not rounded, of an RGB (h, w, 3) uint8 picture."""
    return image @ np.array([65.481, 128.553, 24.966]) / 255.0 + 16.0


def psnr(image: Picture, truth: Picture, *, crop_border: int = 0, y: bool = False) -> float:
    """Peak signal-to-noise ratio in dB of two RGB (h, w, 3) uint8 pictures; infinite when they are equal."""
    a, b = _prepare(image, crop_border, y), _prepare(truth, crop_border, y)
    error = float(np.mean((a - b) ** 2))
    return float("inf") if error == 0 else float(20 * np.log10(255.0 / np.sqrt(error)))


def ssim(image: Picture, truth: Picture, *, crop_border: int = 0, y: bool = False) -> float:
    """Structural similarity (Wang et al. 2004; 11-tap Gaussian, sigma 1.5, valid area), mean over the channels."""
    a, b = _prepare(image, crop_border, y), _prepare(truth, crop_border, y)
    channels = [(a, b)] if y else [(a[..., c], b[..., c]) for c in range(a.shape[2])]
    return float(np.mean([_ssim_channel(p, q) for p, q in channels]))


def _prepare(image: Picture, border: int, y: bool) -> NDArray[np.float64]:
    inner = image[border : image.shape[0] - border, border : image.shape[1] - border]
    return luma(inner) if y else inner.astype(np.float64)


def _ssim_channel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    kernel = cv2.getGaussianKernel(11, 1.5)

    def blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.sepFilter2D(x, -1, kernel, kernel))[5:-5, 5:-5]

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))
