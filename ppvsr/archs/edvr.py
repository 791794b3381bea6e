"""EDVR: sliding-window video restoration (arXiv 1905.02716)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.archs.blocks import HEAD_CHANNELS, SLOPE, ResidualBlock, check_clip, check_groups, conv3x3, lrelu
from ppvsr.errors import ConfigError
from ppvsr.ops.deform import DeformConv2D, offset_conv
from ppvsr.ops.layers import convolve, upsample

# ---- Alignment by a pyramid of cascaded deformable convolutions (PCD of EDVR, arXiv 1905.02716).

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


# ---- Fusion of aligned frames by temporal and spatial attention (TSA of EDVR, arXiv 1905.02716).


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


# ---- EDVR: sliding-window video restoration (arXiv 1905.02716).


class EDVRNet(nn.Layer):
    """EDVR: the centre of five frames, x4 or, for deblurring, at its own size.

    The defaults are EDVR-M: 3,300,131 parameters, 30.52 dB on REDS4. EDVR-L has nf 128 and back_RBs 40: 20,633,827
    parameters, 30.93 dB.

    in_nf, out_nf: channels of the frames and of the answer; they must be equal.
    scale_factor: 4, or 1 with `HR_in`.
    nf: width of the features; must be divisible by `groups`, the deformable groups.
    nframes, center: length of the window and the frame in it that is restored.
    front_RBs, back_RBs: residual blocks before the alignment and after the fusion.
    predeblur, HR_in: a deblurring pyramid in front; `HR_in` lets it work at a quarter of the size.
    w_TSA: fuse by attention instead of by one convolution.
    """

    streams: ClassVar[bool] = False
    min_size = 4

    def __init__(
        self,
        *,
        in_nf: int = 3,
        out_nf: int = 3,
        scale_factor: int = 4,
        nf: int = 64,
        nframes: int = 5,
        groups: int = 8,
        front_RBs: int = 5,
        back_RBs: int = 10,
        center: int = 2,
        predeblur: bool = False,
        HR_in: bool = False,
        w_TSA: bool = True,
    ) -> None:
        super().__init__()
        _check_options(in_nf, out_nf, scale_factor, nframes, center, predeblur, HR_in)
        check_groups("groups", groups, "nf", nf)
        self.in_nf = in_nf
        self.nframes = nframes
        self.center = center
        self.scale = scale_factor
        self.size_multiple = 16 if HR_in else 4
        if predeblur:
            self.pre_deblur = PredeblurPyramid(in_nf, nf, HR_in)
            self.cov_1 = nn.Conv2D(nf, nf, 1)
        else:
            self.conv_first = conv3x3(in_nf, nf)
        self.predeblur = predeblur
        self.feature_extractor = _named_blocks(nf, front_RBs)
        self.fea_L2_conv1 = conv3x3(nf, nf, stride=2)
        self.fea_L2_conv2 = conv3x3(nf, nf)
        self.fea_L3_conv1 = conv3x3(nf, nf, stride=2)
        self.fea_L3_conv2 = conv3x3(nf, nf)
        self.PCDModule = PCDAlignment(nf, groups)
        self.w_TSA = w_TSA
        self.TSAModule = TSAFusion(nf, nframes, center) if w_TSA else nn.Conv2D(nframes * nf, nf, 1)
        self.reconstructor = _named_blocks(nf, back_RBs)
        self.upconv1 = conv3x3(nf, 4 * nf)
        self.upconv2 = conv3x3(nf, 4 * HEAD_CHANNELS)
        self.HRconv = conv3x3(HEAD_CHANNELS, HEAD_CHANNELS)
        self.conv_last = conv3x3(HEAD_CHANNELS, out_nf)

    def forward(self, lq: Tensor) -> tuple[Tensor, ...]:
        """Restore the centre of `nframes` frames (b, nframes, c, h, w), RGB in [0, 1]: a tuple of one (b, c, s*h, s*w).

        Raises ValueError if `lq` is no such clip or its sides are no multiples of `size_multiple`.
        """
        check_clip(lq, min_size=self.min_size, multiple=self.size_multiple, channels=self.in_nf)
        if lq.shape[1] != self.nframes:
            raise ValueError(f"the network takes {self.nframes} frames at a time, this clip has {lq.shape[1]}")
        center = lq[:, self.center]
        levels = _pyramid(
            self.feature_extractor(self._first(lq.flatten(0, 1))),
            [(self.fea_L2_conv1, self.fea_L2_conv2), (self.fea_L3_conv1, self.fea_L3_conv2)],
        )
        aligned = _align(self.PCDModule, levels, self.nframes, self.center)
        fused = self.TSAModule(aligned if self.w_TSA else aligned.flatten(1, 2))
        return (self._residue(fused) + (upsample(center, self.scale) if self.scale > 1 else center),)

    def _first(self, frames: Tensor) -> Tensor:
        if self.predeblur:
            return self.cov_1(self.pre_deblur(frames))
        return convolve(self.conv_first, frames, slope=SLOPE)

    def _residue(self, x: Tensor) -> Tensor:
        """Turn features (b, nf, h, w) into what is to be added to the centre frame, (b, c, 4h, 4w)."""
        x = self.reconstructor(x)
        for conv in (self.upconv1, self.upconv2):
            x = convolve(conv, x, slope=SLOPE, shuffled=True)
        return convolve(self.conv_last, convolve(self.HRconv, x, slope=SLOPE))


class EDVRFeatureExtractor(nn.Layer):
    """EDVR up to its fusion: a window (b, nframes, 3, h, w) to the features (b, c, h, w) of its centre frame.

    Sides must be multiples of 4.
    """

    keeps_initial_weights = True

    def __init__(self, channels: int, nframes: int, center: int) -> None:
        super().__init__()
        c = channels
        self.nframes = nframes
        self.center = center
        self.conv_first = conv3x3(3, c)
        self.feature_extraction = nn.Sequential(*(ResidualBlock(c) for _ in range(5)))
        self.feat_l2_conv1 = conv3x3(c, c, stride=2)
        self.feat_l2_conv2 = conv3x3(c, c)
        self.feat_l3_conv1 = conv3x3(c, c, stride=2)
        self.feat_l3_conv2 = conv3x3(c, c)
        self.pcd_alignment = PCDAlignment(c, groups=8)
        self.fusion = TSAFusion(c, nframes, center)

    def forward(self, window: Tensor) -> Tensor:
        """Return the features of the centre frame."""
        levels = _pyramid(
            self.feature_extraction(convolve(self.conv_first, window.flatten(0, 1), slope=SLOPE)),
            [(self.feat_l2_conv1, self.feat_l2_conv2), (self.feat_l3_conv1, self.feat_l3_conv2)],
        )
        return self.fusion(_align(self.pcd_alignment, levels, self.nframes, self.center))


class PredeblurPyramid(nn.Layer):
    """Features of blurred frames from three scales: (n, c, h, w) -> (n, nf, h, w), with `hr_in` (n, nf, h/4, w/4)."""

    def __init__(self, in_channels: int, nf: int, hr_in: bool) -> None:
        super().__init__()
        if hr_in:
            self.conv_first_1 = conv3x3(in_channels, nf)
            self.conv_first_2 = conv3x3(nf, nf, stride=2)
            self.conv_first_3 = conv3x3(nf, nf, stride=2)
        else:
            self.conv_first = conv3x3(in_channels, nf)
        self.hr_in = hr_in
        for name in ("L1_1", "L1_2", "L1_3", "L1_4", "L1_5", "L2_1", "L2_2", "L3_1"):
            self.add_sublayer(f"RB_{name}", ResidualBlock(nf))
        self.deblur_L2_conv = conv3x3(nf, nf, stride=2)
        self.deblur_L3_conv = conv3x3(nf, nf, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features."""
        first = [self.conv_first_1, self.conv_first_2, self.conv_first_3] if self.hr_in else [self.conv_first]
        for conv in first:
            x = lrelu(conv(x))
        half = lrelu(self.deblur_L2_conv(x))
        quarter = lrelu(self.deblur_L3_conv(half))
        half = self.RB_L2_1(half) + upsample(self.RB_L3_1(quarter), 2)
        x = self.RB_L1_2(self.RB_L1_1(x)) + upsample(self.RB_L2_2(half), 2)
        return self.RB_L1_5(self.RB_L1_4(self.RB_L1_3(x)))


def _pyramid(features: Tensor, convs: Sequence[tuple[nn.Layer, nn.Layer]]) -> list[Tensor]:
    """Return features (n, c, h, w) and those that each pair of convolutions makes at half the size of the last."""
    levels = [features]
    for halve, refine in convs:
        levels.append(convolve(refine, lrelu(halve(levels[-1])), slope=SLOPE))
    return levels


def _align(pcd: PCDAlignment, levels: list[Tensor], nframes: int, center: int) -> Tensor:
    """Align the pyramids of `nframes` frames, [(b * nframes, c, *, *), ...], with the centre: (b, nframes, c, h, w)."""
    levels = [level.reshape([-1, nframes, *level.shape[1:]]) for level in levels]
    ref = [level[:, center] for level in levels]
    return paddle.stack([pcd([level[:, i] for level in levels], ref) for i in range(nframes)], axis=1)


def _named_blocks(channels: int, number: int) -> nn.Sequential:
    """Make residual blocks under the names of published weights."""
    return nn.Sequential(*((f"block{i}", ResidualBlock(channels)) for i in range(number)))


def _check_options(
    in_nf: int, out_nf: int, scale_factor: int, nframes: int, center: int, predeblur: bool, hr_in: bool
) -> None:
    """Raise ConfigError for options that cannot be combined."""
    if in_nf != out_nf:
        raise ConfigError(f"out_nf: {out_nf} must equal in_nf ({in_nf}), it is added to the centre frame")
    if hr_in and not predeblur:
        raise ConfigError("HR_in: True needs predeblur: True, whose pyramid quarters the size")
    if scale_factor != (1 if hr_in else 4):
        raise ConfigError(f"scale_factor: {scale_factor} cannot be; allowed: {1 if hr_in else 4} with HR_in: {hr_in}")
    if not 0 <= center < nframes:
        raise ConfigError(f"center: {center} is no frame of a window of nframes: {nframes}")
