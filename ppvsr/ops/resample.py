"""Changes of resolution."""

from __future__ import annotations

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.ops import lowering
from ppvsr.ops.conv import convolve


class PixelShufflePack(nn.Layer):
    """Upsample by two: a 3x3 convolution to four times the channels, then a pixel shuffle.

    (n, in_channels, h, w) -> (n, out_channels, 2h, 2w).
    """

    keeps_initial_weights = True

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample_conv = nn.Conv2D(in_channels, 4 * out_channels, 3, padding=1)

    def forward(self, x: Tensor, slope: float = 1.0) -> Tensor:
        """Return `x` at twice its size; what is below zero is multiplied by `slope`."""
        return convolve(self.upsample_conv, x, slope=slope, shuffled=True)


def conv_shuffled(conv: nn.Conv2D, x: Tensor, beside: Tensor | None = None) -> Tensor:
    """Apply a 3x3 convolution, of stride 1 or 2, to `x` (n, 4c, h, w) after a pixel shuffle to (n, c, 2h, 2w).

    beside: channels (n, k, 2h, 2w) that stand before those of `x`.
    """
    if lowering.current() is not None:
        return lowering.conv_shuffled(conv, x, beside)
    large = F.pixel_shuffle(x, 2)
    return convolve(conv, large) if beside is None else convolve(conv, beside, large)


def upsample(x: Tensor, scale: int) -> Tensor:
    """Enlarge (n, c, h, w) bilinearly to (n, c, scale * h, scale * w), pixels being areas (half-pixel centres)."""
    if lowering.current() is not None:
        return lowering.resize(x, scale * x.shape[2], scale * x.shape[3])
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def double(x: Tensor) -> Tensor:
    """Enlarge (n, c, h, w) bilinearly to (n, c, 2h, 2w), pixels being points: corners stay corners."""
    if lowering.current() is not None:
        return lowering.resize(x, 2 * x.shape[2], 2 * x.shape[3], align_corners=True)
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def resize(x: Tensor, h: int, w: int) -> Tensor:
    """Bring (n, c, *, *) bilinearly to (n, c, h, w), pixels being areas; returns `x` itself if it has that size."""
    if paddle.in_dynamic_mode() and list(x.shape[2:]) == [h, w]:  # sizes of an exported program come later
        return x
    if lowering.current() is not None:
        return lowering.resize(x, h, w)
    return F.interpolate(x, size=(h, w), mode="bilinear", align_corners=False)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Extend (n, c, h, w) by reflection at the bottom and at the right until both sides are multiples of `multiple`."""
    bottom, right = (-side % multiple for side in x.shape[2:])
    return F.pad(x, [0, right, 0, bottom], mode="reflect") if bottom or right else x
