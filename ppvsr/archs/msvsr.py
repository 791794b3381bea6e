"""PP-MSVSR: multi-stage video super-resolution (arXiv 2112.02828)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest
from typing import ClassVar

import paddle
import paddle.nn as nn
from paddle import Tensor

from ppvsr.archs.blocks import SLOPE, ResidualTrunk, check_groups, conv3x3
from ppvsr.archs.recurrent import Clip, State, Streaming, Tensors
from ppvsr.archs.spynet import SPyNet
from ppvsr.ops.deform import FlowGuidedAlignment, RefiningAlignment
from ppvsr.ops.layers import PixelShufflePack, conv_shuffled, convolve, run_chain, upsample

BRANCHES = ("stage2_backward", "stage2_forward", "stage3_backward", "stage3_forward")

Kept = dict[tuple[str, int], tuple[Tensor, Tensor]]  # offset and mask of an alignment, by direction and frame


class MSVSR(Streaming):
    """PP-MSVSR, x4: local fusion of neighbours, two rounds of propagation, an auxiliary picture between them.

    The defaults are the small network: 1,453,607 parameters, 31.25 dB on REDS4. The large one has 7,417,197, 32.53 dB.

    mid_channels: width c of all features; must be divisible by `deform_groups` and `stage1_groups`.
    num_init_blocks, num_blocks, num_reconstruction_blocks, aux_reconstruction_blocks: residual blocks in the trunks
        of the features, of each branch, of the output and of the auxiliary stage.
    only_last: leave out the convolution at high resolution before the last one.
    use_tiny_spynet: the small flow network instead of the full one.
    deform_groups, stage1_groups: deformable groups of the propagation and of the local fusion.
    auxiliary_loss: with the auxiliary stage; without it, stage 3 works on the features that stage 2 worked on.
    use_refine_align: stage 3 refines the offsets of stage 2 instead of predicting its own from the flow.
    use_local_connect: add a picture made directly from the local fusion.

    A forward pass is a loop over these steps, each from tensors to tensors (features (b, c, h, w), flows (b, 2, h, w)):

    - `spynet.both_flows(earlier, later)`: the flows between two frames;
    - `feat_extract(frames)`: features of frames (b, 3, h, w);
    - `local_align(neighbour, cur, flow)`, `local_fusion(cur, next, previous)`: stage 1;
    - `begin(branch, *feats)`, `propagate(branch, state, flow, *feats)`, `refine(branch, state, flow, offset, mask,
      *feats)`: one frame of one of the BRANCHES: its first frame, a frame of stage 2, a frame of stage 3;
    - `auxiliary(frame, *feats)`: picture and new features, between the stages;
    - `reconstruct(frame, *feats)`: the picture (b, 3, 4h, 4w).

    `feats` are the features of the frame so far: those of `feat_extract` (in the branches of stage 3, of `auxiliary`),
    of `local_fusion`, then of every branch before this step.
    """

    steps: ClassVar[tuple[str, ...]] = (
        "spynet.both_flows",
        "feat_extract.forward",
        "local_align",
        "local_fusion",
        "begin",
        "propagate",
        "refine",
        "auxiliary",
        "reconstruct",
    )
    scale, min_size, size_multiple = 4, 64, 1
    lag = 1  # frame: stage 1 needs the next one

    def __init__(
        self,
        *,
        mid_channels: int = 32,
        num_init_blocks: int = 2,
        num_blocks: int = 3,
        num_reconstruction_blocks: int = 2,
        only_last: bool = True,
        use_tiny_spynet: bool = True,
        deform_groups: int = 4,
        stage1_groups: int = 8,
        auxiliary_loss: bool = True,
        use_refine_align: bool = True,
        aux_reconstruction_blocks: int = 1,
        use_local_connect: bool = True,
    ) -> None:
        super().__init__()
        check_groups("deform_groups", deform_groups, "mid_channels", mid_channels)
        check_groups("stage1_groups", stage1_groups, "mid_channels", mid_channels)
        self.only_last = only_last
        self.auxiliary_loss = auxiliary_loss
        self.use_refine_align = use_refine_align
        self.use_local_connect = use_local_connect
        c = mid_channels

        self.spynet = SPyNet("tiny" if use_tiny_spynet else "full")
        self.feat_extract = ResidualTrunk(3, c, num_init_blocks)
        stage3_align = RefiningAlignment if use_refine_align else FlowGuidedAlignment
        align = dict(zip(BRANCHES, 2 * [FlowGuidedAlignment] + 2 * [stage3_align], strict=True))
        self.deform_align = nn.LayerDict({name: align[name](c, deform_groups) for name in BRANCHES})
        self.backbone = nn.LayerDict(
            {name: ResidualTrunk((3 + i) * c, c, num_blocks) for i, name in enumerate(BRANCHES)}
        )
        self.stage1_align = FlowGuidedAlignment(c, stage1_groups)
        self.stage1_blocks = ResidualTrunk(3 * c, c, 3)

        self.reconstruction = ResidualTrunk(6 * c, c, num_reconstruction_blocks)
        self.upsample1 = PixelShufflePack(c, c)
        self.upsample2 = PixelShufflePack(c, c)
        if not only_last:
            self.conv_hr = conv3x3(c, c)
        self.conv_last = conv3x3(c, 3)

        if auxiliary_loss:
            self.aux_fusion = conv3x3(2 * c, c)
            self.aux_reconstruction = ResidualTrunk(4 * c, c, aux_reconstruction_blocks)
            self.aux_block_down1 = _down(3 + c, c)
            self.aux_block_down2 = _down(2 * c, c)
            self.aux_conv_last = conv3x3(c, 3)
        self.aux_upsample1 = PixelShufflePack(c, c)  # the local picture uses these, too
        self.aux_upsample2 = PixelShufflePack(c, c)
        self.hybrid_conv_last = conv3x3(c, 3)

    def forward(self, lq: Tensor) -> tuple[Tensor, ...]:
        """Enlarge a clip (b, t, 3, h, w), RGB in [0, 1], t >= 1, to (b, t, 3, 4h, 4w).

        Returns (auxiliary, final) while training with `auxiliary_loss`, otherwise (final,).

        Raises ValueError if `lq` is no such clip or has a side under 64.
        """
        return self._whole(lq)

    def local_align(self, neighbour: Tensor, cur: Tensor, flow: Tensor) -> Tensor:
        """Bring the features of a neighbour onto the current frame, given the flow from the current frame to it."""
        return self.stage1_align(neighbour, cur, flow)[0]

    def local_fusion(self, cur: Tensor, next: Tensor, previous: Tensor) -> Tensor:
        """Fuse a frame with its aligned neighbours; at the ends of the clip zeros stand for the missing one."""
        return self.stage1_blocks(cur, next, previous)

    def begin(self, branch: str, *feats: Tensor) -> Tensor:
        """Return the state after the first frame of a branch."""
        return self.backbone[branch](*feats, paddle.zeros_like(feats[0]))

    def propagate(self, branch: str, state: Tensor, flow: Tensor, *feats: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the next state, and the offset and mask by which the last one was aligned."""
        aligned, offset, mask = self.deform_align[branch](state, feats[0], flow)
        return aligned + self.backbone[branch](*feats, aligned), offset, mask

    def refine(self, branch: str, state: Tensor, flow: Tensor, offset: Tensor, mask: Tensor, *feats: Tensor) -> Tensor:
        """Return the next state, aligned by improving upon the offset and mask of the branch of stage 2."""
        aligned = self.deform_align[branch](state, feats[0], flow, offset, mask)
        return aligned + self.backbone[branch](*feats, aligned)

    def auxiliary(self, frame: Tensor, *feats: Tensor) -> tuple[Tensor, Tensor]:
        """Return the auxiliary picture (b, 3, 4h, 4w) and the features of the frame that were improved by it."""
        low = self.aux_reconstruction(*feats)  # (b, c, h, w)
        mid = self.aux_upsample1(low, SLOPE)  # (b, c, 2h, 2w)
        high = convolve(self.aux_upsample2.upsample_conv, mid, slope=SLOPE)  # (b, 4c, 2h, 2w), to be shuffled
        picture = conv_shuffled(self.aux_conv_last, high) + upsample(frame, self.scale)
        first, activation, last = self.aux_block_down1
        down = convolve(last, activation(conv_shuffled(first, high, beside=picture)))
        down = run_chain(self.aux_block_down2, down, mid)
        return picture, convolve(self.aux_fusion, down, low)

    def reconstruct(self, frame: Tensor, *feats: Tensor) -> Tensor:
        """Return the picture (b, 3, 4h, 4w)."""
        x = self.upsample1(self.reconstruction(*feats), SLOPE)
        if self.only_last:
            x = conv_shuffled(self.conv_last, convolve(self.upsample2.upsample_conv, x, slope=SLOPE))
        else:
            x = convolve(self.conv_last, convolve(self.conv_hr, self.upsample2(x, SLOPE), slope=SLOPE))
        x = x + upsample(frame, self.scale)
        if self.use_local_connect:
            local = feats[1]
            high = convolve(self.aux_upsample2.upsample_conv, self.aux_upsample1(local, SLOPE), slope=SLOPE)
            x = x + conv_shuffled(self.hybrid_conv_last, high)
        return x

    def _describe(self, frame: Tensor) -> Tensors:
        return (self.feat_extract(frame),)

    def _receive(self, state: State, frames: Sequence[Tensor], *, last: bool, part: range | None = None) -> State:
        """Stage 1: fuse every frame with its neighbours, as soon as it has both."""
        state = super()._receive(state, frames, last=last, part=part)
        done = [each for each in state.pending if len(each.feats) == 2]
        waiting = state.pending[len(done) :]
        carried = dict(state.carried)
        for frame, next in zip_longest(waiting, waiting[1:]) if last else pairwise(waiting):
            cur = frame.feats[0]
            after = nothing = paddle.zeros_like(cur)
            (before,) = carried.pop("stage1", (nothing,))
            if next is not None:
                with frame.learning():
                    after = self.local_align(next.feats[0], cur, next.flows["backward"][0])
                with next.learning():
                    carried["stage1"] = (self.local_align(cur, next.feats[0], next.flows["forward"][0]),)
            with frame.learning():
                done.append(replace(frame, feats=(cur, self.local_fusion(cur, after, before))))
        return State((*done, *state.pending[len(done) :]), carried)

    def _enlarge(self, clip: Clip) -> tuple[list[Tensor], ...]:
        """Stages 2 and 3, with the auxiliary one between them."""
        kept: Kept = {}
        spatial = [feats[0] for feats in clip.feats]
        self._propagate_all("stage2_backward", clip, spatial, kept)
        self._propagate_all("stage2_forward", clip, spatial, kept)
        pictures, current = self._auxiliary_all(clip, spatial)
        self._propagate_all("stage3_backward", clip, current, kept)
        clip.forget_look_ahead()
        self._propagate_all("stage3_forward", clip, current, kept)
        final = [self.reconstruct(frame, *feats) for frame, feats in clip.shown()]
        return (pictures, final) if pictures else (final,)

    def _propagate_all(self, branch: str, clip: Clip, current: list[Tensor], kept: Kept) -> None:
        """Walk along the clip and append the state at every frame to its `feats`.

        Stage 2 leaves its offsets and masks in `kept`, stage 3 takes them out as it goes.
        """
        direction = branch.partition("_")[2]
        for i, states, flows in clip.walk(branch):
            feats = (current[i], *clip.feats[i][1:])
            if not states:
                state = self.begin(branch, *feats)
            elif (direction, i) in kept:
                state = self.refine(branch, *states, *flows, *kept.pop((direction, i)), *feats)
            else:
                state, offset, mask = self.propagate(branch, *states, *flows, *feats)
                if self.use_refine_align:
                    kept[direction, i] = (offset, mask)
            clip.feats[i].append(state)

    def _auxiliary_all(self, clip: Clip, spatial: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the auxiliary pictures, for the loss only, and the features that stage 3 works on."""
        if not self.auxiliary_loss:
            return [], spatial
        pictures, current = [], []
        for i, (frame, feats) in enumerate(zip(clip.frames, clip.feats, strict=True)):
            with clip.learning(i):
                picture, feature = self.auxiliary(frame, *feats)
            current.append(feature)
            if self.training and clip.shows(i):
                pictures.append(picture)
        return pictures, current


def _down(in_channels: int, channels: int) -> nn.Sequential:
    """Halve the size of a feature map."""
    return nn.Sequential(conv3x3(in_channels, channels, stride=2), nn.LeakyReLU(0.1), conv3x3(channels, channels))
