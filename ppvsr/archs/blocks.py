"""Blocks that all networks are made of."""

from __future__ import annotations

import math

import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.ops.conv import convolve

SLOPE = 0.1
HEAD_CHANNELS = 64  # at high resolution, whatever the width of the network


def lrelu(x: Tensor) -> Tensor:
    """Apply the leaky ReLU that every network here uses."""
    return F.leaky_relu(x, SLOPE)


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2D:
    """Make a 3x3 convolution that keeps the size, or divides it by `stride`."""
    return nn.Conv2D(in_channels, out_channels, 3, stride=stride, padding=1)


class ResidualBlock(nn.Layer):
    """x + conv(relu(conv(x))), both 3x3, without normalisation; (n, c, h, w) -> (n, c, h, w).

    The weights start at a tenth of Kaiming's: a long trunk then starts close to the identity (EDVR, arXiv 1905.02716).
    """

    keeps_initial_weights = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        small = nn.initializer.Normal(std=0.1 * math.sqrt(2 / (9 * channels)))
        self.conv1 = nn.Conv2D(channels, channels, 3, padding=1, weight_attr=small)
        self.conv2 = nn.Conv2D(channels, channels, 3, padding=1, weight_attr=small)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions find."""
        return convolve(self.conv2, convolve(self.conv1, x, slope=0.0), plus=x)


class ResidualTrunk(nn.Layer):
    """A convolution into `out_channels`, leaky ReLU, then residual blocks; (n, in, h, w) -> (n, out, h, w)."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int) -> None:
        super().__init__()
        self.conv_in = conv3x3(in_channels, out_channels)
        self.blocks = nn.Sequential(*(ResidualBlock(out_channels) for _ in range(num_blocks)))

    def forward(self, *xs: Tensor) -> Tensor:
        """Map `xs`, joined by channels, to features."""
        return self.blocks(convolve(self.conv_in, *xs, slope=SLOPE))
