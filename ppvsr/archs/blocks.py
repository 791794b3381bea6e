"""Blocks that all networks are made of, and checks of their options and inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.errors import ConfigError
from ppvsr.ops.layers import convolve

# ---- Blocks that all networks are made of.

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


# ---- Checks of options and inputs, shared by the networks.


def check_groups(option: str, groups: int, channels_option: str, channels: int) -> None:
    """Raise ConfigError unless the channels can be shared out evenly among the deformable groups."""
    if channels < 1:
        raise ConfigError(f"{channels_option}: {channels} is not 1 or more")
    if groups < 1 or channels % groups:
        allowed = ", ".join(str(n) for n in range(1, channels + 1) if channels % n == 0)
        raise ConfigError(f"{option}: {groups} does not divide {channels_option} ({channels}); allowed: {allowed}")


def check_multiple(option: str, value: int, multiple: int) -> None:
    """Raise ConfigError unless the option is a positive multiple of `multiple`."""
    if value < 1 or value % multiple:
        raise ConfigError(f"{option}: {value} is no positive multiple of {multiple}")


def check_clip(lq: Tensor, *, min_size: int, multiple: int = 1, channels: int = 3) -> None:
    """Raise ValueError unless `lq` is a clip (b, t, c, h, w) with sides that a network can work with."""
    if len(lq.shape) != 5 or lq.shape[1] < 1 or lq.shape[2] != channels:
        raise ValueError(f"a clip has the shape (b, t >= 1, {channels}, h, w), this one {tuple(lq.shape)}")
    _check_sides(lq, min_size, multiple)


def check_part(part: range, count: int) -> None:
    """Raise ValueError unless `part` names frames in a row of a clip of `count`."""
    if not (0 <= part.start < part.stop <= count and part.step == 1):
        raise ValueError(f"frames {part.start} to {part.stop - 1} are no part of a clip of {count}, counted from 0")


def check_frames(frames: Sequence[Tensor], before: Sequence[Tensor], *, min_size: int, multiple: int = 1) -> None:
    """Raise ValueError unless all are frames (b, 3, h, w) of one film, with sides that a network can work with.

    before: frames of the film that came earlier, if any.
    """
    for number, frame in enumerate(frames, start=1):
        if len(frame.shape) != 4 or frame.shape[1] != 3:
            raise ValueError(f"frame {number} of the block: shape {tuple(frame.shape)} must be (b, 3, h, w)")
        _check_sides(frame, min_size, multiple)
        first = (*before, *frames)[0]
        if frame.shape != first.shape:
            shapes = f"shape {tuple(frame.shape)} differs from that of the frames before, {tuple(first.shape)}"
            raise ValueError(f"frame {number} of the block: {shapes}; give every film a state of its own")


def _check_sides(pictures: Tensor, min_size: int, multiple: int) -> None:
    h, w = pictures.shape[-2:]
    if min(h, w) < 0:  # sizes of an exported program come later
        return
    if min(h, w) < min_size:
        raise ValueError(f"frames of {w}x{h} are too small: both sides must be at least {min_size}; pad them first")
    if h % multiple or w % multiple:
        raise ValueError(f"frames of {w}x{h} do not fit: both sides must be multiples of {multiple}; pad them first")
