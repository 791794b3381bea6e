"""What BasicVSR and its successors share."""

from __future__ import annotations

from typing import ClassVar

import paddle.nn as nn
from paddle import Tensor

from ppvsr.archs.blocks import HEAD_CHANNELS, SLOPE, conv3x3
from ppvsr.archs.spynet import SPyNet
from ppvsr.ops.conv import convolve
from ppvsr.ops.resample import PixelShufflePack
from ppvsr.ops.warp import flow_warp


class RecurrentNet(nn.Layer):
    """A network with a flow network at its start and four times the resolution at its end."""

    steps: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[bool] = False
    scale = 4
    min_size = 64
    size_multiple = 1

    def __init__(self, mid_channels: int) -> None:
        super().__init__()
        self.spynet = SPyNet("basic")
        self.upsample1 = PixelShufflePack(mid_channels, mid_channels)
        self.upsample2 = PixelShufflePack(mid_channels, HEAD_CHANNELS)
        self.conv_hr = conv3x3(HEAD_CHANNELS, HEAD_CHANNELS)
        self.conv_last = conv3x3(HEAD_CHANNELS, 3)

    def align(self, state: Tensor, flow: Tensor) -> Tensor:
        """Bring the state of a branch onto a frame, given the flow from the frame to that of the state."""
        return flow_warp(state, flow)

    def residue(self, x: Tensor) -> Tensor:
        """Turn features (b, c, h, w) into what is to be added to an enlarged frame, (b, 3, 4h, 4w)."""
        x = self.upsample2(self.upsample1(x, SLOPE), SLOPE)
        return convolve(self.conv_last, convolve(self.conv_hr, x, slope=SLOPE))
