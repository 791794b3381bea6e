"""Fusion of aligned frames by temporal and spatial attention (TSA of EDVR, arXiv 1905.02716)."""

from __future__ import annotations

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.archs.blocks import conv3x3, lrelu
from ppvsr.ops.resample import upsample


class TSAFusion(nn.Layer):
    """Fuse the aligned features of frames, (b, nframes, c, h, w), into (b, c, h, w); sides must be multiples of 4."""

    def __init__(self, channels: int, nframes: int, center: int) -> None:
        super().__init__()
        self.center = center
        c = channels
        self.tAtt_2 = conv3x3(c, c)
        self.tAtt_1 = conv3x3(c, c)
        self.fea_fusion = nn.Conv2D(nframes * c, c, 1)
        self.sAtt_1 = nn.Conv2D(nframes * c, c, 1)
        self.sAtt_2 = nn.Conv2D(2 * c, c, 1)
        self.sAtt_3 = conv3x3(c, c)
        self.sAtt_4 = nn.Conv2D(c, c, 1)
        self.sAtt_5 = conv3x3(c, c)
        self.sAtt_add_1 = nn.Conv2D(c, c, 1)
        self.sAtt_add_2 = nn.Conv2D(c, c, 1)
        self.sAtt_L1 = nn.Conv2D(c, c, 1)
        self.sAtt_L2 = conv3x3(2 * c, c)
        self.sAtt_L3 = conv3x3(c, c)

    def forward(self, aligned: Tensor) -> Tensor:
        """Weigh the frames by their likeness to the centre frame, fuse them, weigh the result in space."""
        weighted = self._temporal(aligned)  # (b, nframes * c, h, w)
        attention = self._spatial(weighted)
        shift = self.sAtt_add_2(lrelu(self.sAtt_add_1(attention)))
        return lrelu(self.fea_fusion(weighted)) * (2 * F.sigmoid(attention)) + shift

    def _temporal(self, aligned: Tensor) -> Tensor:
        key = self.tAtt_2(aligned[:, self.center])
        weighted = []
        for frame in aligned.unbind(1):
            likeness = F.sigmoid((self.tAtt_1(frame) * key).sum(axis=1, keepdim=True))  # (b, 1, h, w)
            weighted.append(frame * likeness)
        return paddle.concat(weighted, axis=1)

    def _spatial(self, weighted: Tensor) -> Tensor:
        """Return (b, c, h, w), which comes from three scales."""
        half = lrelu(self.sAtt_2(_halve(lrelu(self.sAtt_1(weighted)))))
        quarter = lrelu(self.sAtt_L2(_halve(lrelu(self.sAtt_L1(half)))))
        quarter = lrelu(self.sAtt_L3(quarter))
        half = lrelu(self.sAtt_3(half)) + upsample(quarter, 2)
        return self.sAtt_5(upsample(lrelu(self.sAtt_4(half)), 2))


def _halve(x: Tensor) -> Tensor:
    """Halve the size, (b, c, h, w) to (b, 2c, h/2, w/2): the largest and the mean value of every 3x3 neighbourhood."""
    largest = F.max_pool2d(x, 3, stride=2, padding=1)
    mean = F.avg_pool2d(x, 3, stride=2, padding=1, exclusive=False)
    return paddle.concat([largest, mean], axis=1)
