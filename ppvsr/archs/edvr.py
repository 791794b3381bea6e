"""Alignment by a pyramid of cascaded deformable convolutions (PCD of EDVR, arXiv 1905.02716)."""

from __future__ import annotations

import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.archs.blocks import SLOPE, conv3x3, lrelu
from ppvsr.ops.conv import convolve
from ppvsr.ops.deform import DeformConv2D, offset_conv
from ppvsr.ops.resample import upsample

LEVELS = (3, 2, 1)  # coarse to fine


class DeformPack(nn.Layer):
    """A deformable convolution together with the convolution that predicts its offsets and masks (starting at zero)."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv_offset_mask = offset_conv(channels, groups)
        self.dcn = DeformConv2D(channels, channels, groups)

    def forward(self, x: Tensor, hints: Tensor) -> Tensor:
        """Align `x` by what `hints` tell; all (n, c, h, w)."""
        prediction = convolve(self.conv_offset_mask, hints)
        taps = prediction.shape[1] // 3
        return self.dcn(x, prediction[:, : 2 * taps], F.sigmoid(prediction[:, 2 * taps :]))


class PCDAlignment(nn.Layer):
    """Align the features of a frame with those of the centre frame, on three levels and once more at the end."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        c = channels
        for level in LEVELS:
            name = f"PCD_Align_L{level}"
            inputs = (2 * c, c) if level == 3 else (2 * c, 2 * c, c)
            for i, width in enumerate(inputs, start=1):
                self.add_sublayer(f"{name}_offset_conv{i}", conv3x3(width, c))
            self.add_sublayer(f"{name}_dcn", DeformPack(c, groups))
            if level < 3:
                self.add_sublayer(f"{name}_fea_conv", conv3x3(2 * c, c))
        self.PCD_Align_cas_offset_conv1 = conv3x3(2 * c, c)
        self.PCD_Align_cas_offset_conv2 = conv3x3(c, c)
        self.PCD_Align_cascade_dcn = DeformPack(c, groups)

    def forward(self, x: list[Tensor], ref: list[Tensor]) -> Tensor:
        """Align `x` with `ref`, each [(n, c, h, w), (n, c, h/2, w/2), (n, c, h/4, w/4)]; returns (n, c, h, w)."""
        hints, aligned = self._coarsest(x[2], ref[2])
        for level in LEVELS[1:]:
            hints, aligned = self._finer(level, x[level - 1], ref[level - 1], hints, aligned)
        hints = convolve(self.PCD_Align_cas_offset_conv1, aligned, ref[0], slope=SLOPE)
        hints = convolve(self.PCD_Align_cas_offset_conv2, hints, slope=SLOPE)
        return lrelu(self.PCD_Align_cascade_dcn(aligned, hints))

    def _coarsest(self, x: Tensor, ref: Tensor) -> tuple[Tensor, Tensor]:
        hints = convolve(self.PCD_Align_L3_offset_conv1, x, ref, slope=SLOPE)
        hints = convolve(self.PCD_Align_L3_offset_conv2, hints, slope=SLOPE)
        return hints, lrelu(self.PCD_Align_L3_dcn(x, hints))

    def _finer(self, level: int, x: Tensor, ref: Tensor, hints: Tensor, aligned: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hints and the aligned features of a level, given those of the coarser one."""
        conv1, conv2, conv3, dcn, fea_conv = (
            getattr(self, f"PCD_Align_L{level}_{name}")
            for name in ("offset_conv1", "offset_conv2", "offset_conv3", "dcn", "fea_conv")
        )
        own = convolve(conv1, x, ref, slope=SLOPE)
        hints = convolve(conv2, own, 2 * upsample(hints, 2), slope=SLOPE)
        hints = convolve(conv3, hints, slope=SLOPE)
        aligned = [dcn(x, hints), upsample(aligned, 2)]
        return hints, convolve(fea_conv, *aligned, slope=1.0 if level == 1 else SLOPE)
