"""Deformable convolution and the alignments that are built on it.

All of them predict, for every pixel and each of the 3x3 taps of every deformable group, where to read (an offset in
pixels, y first, as Paddle wants it) and how much it counts (a mask, 0 to 1). An optical flow, x first, gives the
offsets their starting point.
"""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor
from paddle.vision.ops import DeformConv2D as PaddleDeformConv2D
from paddle.vision.ops import deform_conv2d

from ppvsr.ops import lowering, native
from ppvsr.ops.layers import flow_warp, run_chain

TAPS = 9  # of a 3x3 kernel
MAX_RESIDUE = 10.0  # pixels that an offset may differ from what it starts from


class DeformConv2D(PaddleDeformConv2D):
    """Modulated deformable 3x3 convolution (arXiv 1811.11168), computed in float32 whatever the precision around it.

    x: (n, in_channels, h, w);  offset: (n, 18 * groups, h, w), (y, x) of tap 0, of tap 1, ...;
    mask: (n, 9 * groups, h, w).  Returns (n, out_channels, h, w) in the type of `x`.
    """

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, deformable_groups=groups)
        self.groups = groups
        self.native = False  # see use_native

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """Read `x` at the offsets, weigh by the mask, convolve."""
        with paddle.amp.auto_cast(enable=False):
            wide = [_wide(v) for v in (x, offset, self.weight, self.bias)]
            how = {"padding": 1, "deformable_groups": self.groups, "mask": _wide(mask)}
            aligned = native.deform_conv2d(*wide, **how) if self.native else deform_conv2d(*wide, **how)
            return aligned if aligned.dtype == x.dtype else aligned.astype(x.dtype)


def use_native(net: nn.Layer, on: bool = True, *, learning: bool = False) -> str | None:
    """Let the deformable convolutions of `net` run on ppvsr's own operator, or on Paddle's again.

    learning: 3x3 convolutions, too, by the form of the operator that has a gradient.
    Returns None, or in one line why they stay on Paddle's.
    """
    reason = native.load() if on else None
    on = on and reason is None
    for layer in net.sublayers(include_self=True):
        if isinstance(layer, DeformConv2D):
            layer.native = on
        elif isinstance(layer, nn.Conv2D) and native.knows(layer):
            layer.native = on and learning
    return reason


class FlowGuidedAlignment(nn.Layer):
    """Bring a feature map onto the current frame; the offsets start from a flow (PP-MSVSR, arXiv 2112.02828)."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv_offset = offset_net(2 * channels + 2, channels, groups)
        self.dcn = DeformConv2D(channels, channels, groups)

    def forward(self, x: Tensor, cur: Tensor, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Align `x`, given the current feature map and the flow from the current frame to that of `x`.

        x, cur: (n, c, h, w);  flow: (n, 2, h, w).  Returns aligned (n, c, h, w), offset (n, 18 * groups, h, w) and
        mask (n, 9 * groups, h, w).
        """
        offset, mask = predict_offset(self.conv_offset, flow_warp(x, flow), cur, flow, flows=[flow])
        return self.dcn(x, offset, mask), offset, mask


class RefiningAlignment(nn.Layer):
    """Align once more, starting from the offsets and masks of an earlier alignment (PP-MSVSR, arXiv 2112.02828)."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.mdconv = DeformConv2D(channels, channels, groups)
        self.conv_offset = offset_net(2 * channels + 2, channels, groups)
        self.dcn = DeformConv2D(channels, channels, groups)

    def forward(self, x: Tensor, cur: Tensor, flow: Tensor, offset: Tensor, mask: Tensor) -> Tensor:
        """Align `x` (n, c, h, w) with `cur`; the others are what FlowGuidedAlignment takes and returns."""
        aligned = self.mdconv(x, offset, mask)
        return self.dcn(x, *predict_offset(self.conv_offset, aligned, cur, flow, start=(offset, mask)))


class SecondOrderAlignment(nn.Layer):
    """Bring the feature maps of the last two frames onto the current one (BasicVSR++, arXiv 2104.13371)."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv_offset = offset_net(3 * channels + 4, channels, groups)
        self.dcn = DeformConv2D(2 * channels, channels, groups)

    def forward(self, x1: Tensor, x2: Tensor, cur: Tensor, flow1: Tensor, flow2: Tensor) -> Tensor:
        """Align `x1` (one step away) and `x2` (two steps away), given the flows from the current frame to theirs.

        x1, x2, cur: (n, c, h, w);  flow1, flow2: (n, 2, h, w).  Returns (n, c, h, w).
        """
        hints = [flow_warp(x1, flow1), cur, flow_warp(x2, flow2), flow1, flow2]
        both = paddle.concat([x1, x2], axis=1)  # the first half of the groups reads x1, the second x2
        return self.dcn(both, *predict_offset(self.conv_offset, *hints, flows=[flow1, flow2]))


def offset_net(in_channels: int, channels: int, groups: int) -> nn.Sequential:
    """Make four 3x3 convolutions that predict offsets and masks; the last starts at zero: only the flow counts."""
    layers: list[nn.Layer] = []
    for width in (in_channels, channels, channels):
        layers += [nn.Conv2D(width, channels, 3, padding=1), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, offset_conv(channels, groups))


def offset_conv(channels: int, groups: int) -> nn.Conv2D:
    """Make the convolution that predicts the offsets and masks of all taps; it starts at zero and resets keep it."""
    conv = nn.Conv2D(channels, 3 * TAPS * groups, 3, padding=1, weight_attr=nn.initializer.Constant(0.0))
    conv.keeps_initial_weights = True
    return conv


def predict_offset(
    net: nn.Sequential,
    *hints: Tensor,
    flows: Sequence[Tensor] = (),
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the offset, within ±10 pixels of where it starts, and the mask, 0 to 1, by what `net` makes of the hints.

    flows: (n, 2, h, w), where the offsets of as many equal parts of the groups start.
    start: or an offset to start from, and a mask that the new one is averaged with.
    """
    answer = _wide(run_chain(net, *hints))
    if lowering.by_own_operators():
        return native.offsets(answer, flows, start, reach=MAX_RESIDUE)
    taps = answer.shape[1] // 3
    residue, mask = MAX_RESIDUE * paddle.tanh(answer[:, : 2 * taps]), F.sigmoid(answer[:, 2 * taps :])
    if start is not None:
        return residue + start[0], (mask + start[1]) / 2
    starts = [as_offset(flow, 2 * taps // len(flows)) for flow in flows]
    return residue + (starts[0] if len(starts) == 1 else paddle.concat(starts, axis=1)), mask


def as_offset(flow: Tensor, channels: int) -> Tensor:
    """Repeat a flow (n, 2, h, w), x first, as the offset of every tap, y first: (n, channels, h, w)."""
    return flow.flip(1).tile([1, channels // 2, 1, 1])


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == paddle.float32 else x.astype("float32")
