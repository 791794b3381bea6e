"""BasicVSR++ (arXiv 2104.13371)."""

from __future__ import annotations

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.archs.blocks import SLOPE, ResidualTrunk, check_multiple, conv3x3
from ppvsr.archs.recurrent import Clip, Flows, Pending, RecurrentNet, Streaming, Tensors
from ppvsr.ops.deform import SecondOrderAlignment
from ppvsr.ops.layers import flow_warp, upsample

BRANCHES = ("backward_1", "forward_1", "backward_2", "forward_2")
GROUPS = 16


class BasicVSRPlusPlus(Streaming, RecurrentNet):
    """BasicVSR++: second-order propagation, twice in each direction. 7,322,927 parameters, 32.40 dB on REDS4 (x4).

    mid_channels: width c of all features, a multiple of 16.
    num_blocks: residual blocks in the trunk of each branch.
    is_low_res_input: x4; without it, frames keep their size (restoration; sides of at least 256, multiples of 4).

    A forward pass is a loop over these steps, each from tensors to tensors (features (b, c, h, w), flows (b, 2, h, w);
    without `is_low_res_input` h and w are a quarter of those of the frame):

    - `spynet.both_flows(earlier, later)`: the flows between two frames, as `shrink` makes them;
    - `feat_extract(frame)`: features of a frame;
    - `begin(branch, *feats)`: state after the first frame of one of the BRANCHES;
    - `propagate(branch, state1, state2, flow1, flow2, *feats)`: the next state; at the second frame of a branch
      `state2` and `flow2` are zeros, later `flow2` is `compose(flow1, <the flow one step further>)`;
    - `reconstruct(frame, *feats)`: the picture.

    `feats` are the features of the frame so far: those of `feat_extract`, then of every branch before this step.
    """

    steps = ("spynet.both_flows", "feat_extract.forward", "compose", "begin", "propagate", "reconstruct")
    order = 2

    def __init__(self, *, mid_channels: int = 64, num_blocks: int = 7, is_low_res_input: bool = True) -> None:
        check_multiple("mid_channels", mid_channels, GROUPS)
        super().__init__(mid_channels)
        self.is_low_res_input = is_low_res_input
        c = mid_channels
        if is_low_res_input:
            self.feat_extract = ResidualTrunk(3, c, 5)
        else:
            self.scale, self.min_size, self.size_multiple = 1, 256, 4
            down = [conv3x3(3, c, stride=2), nn.LeakyReLU(SLOPE), conv3x3(c, c, stride=2), nn.LeakyReLU(SLOPE)]
            self.feat_extract = nn.Sequential(*down, ResidualTrunk(c, c, 5))
        for i, branch in enumerate(BRANCHES):
            self.add_sublayer(f"deform_align_{branch}", SecondOrderAlignment(c, GROUPS))
            self.add_sublayer(f"backbone_{branch}", ResidualTrunk((2 + i) * c, c, num_blocks))
        self.reconstruction = ResidualTrunk(5 * c, c, 5)

    def forward(self, lq: Tensor) -> tuple[Tensor, ...]:
        """Enlarge a clip (b, t, 3, h, w), RGB in [0, 1], t >= 1, to (b, t, 3, s * h, s * w), in a tuple of one.

        Raises ValueError if `lq` is no such clip or its sides do not suit (`min_size`, `size_multiple`).
        """
        return self._whole(lq)

    def shrink(self, lq: Tensor) -> Tensor:
        """Bring a clip (b, t, 3, *, *) to the size of the features."""
        if self.is_low_res_input:
            return lq
        small = F.interpolate(lq.flatten(0, 1), scale_factor=0.25, mode="bicubic", align_corners=False)
        return small.reshape([*lq.shape[:3], *small.shape[2:]])

    def compose(self, near: Tensor, far: Tensor) -> Tensor:
        """Return the flow (b, 2, h, w) over two steps, given that of the first and that of the second."""
        return near + flow_warp(far, near)

    def begin(self, branch: str, *feats: Tensor) -> Tensor:
        """Return the state after the first frame of a branch."""
        return self._advance(branch, paddle.zeros_like(feats[0]), *feats)

    def propagate(
        self, branch: str, state1: Tensor, state2: Tensor, flow1: Tensor, flow2: Tensor, *feats: Tensor
    ) -> Tensor:
        """Return the next state of a branch, given its last two and the flows from the frame to theirs."""
        align = getattr(self, f"deform_align_{branch}")
        return self._advance(branch, align(state1, state2, feats[0], flow1, flow2), *feats)

    def reconstruct(self, frame: Tensor, *feats: Tensor) -> Tensor:
        """Return the picture (b, 3, s * h, s * w) of a frame."""
        base = upsample(frame, self.scale) if self.is_low_res_input else frame
        return self.residue(self.reconstruction(*feats)) + base

    def _advance(self, branch: str, aligned: Tensor, *feats: Tensor) -> Tensor:
        backbone = getattr(self, f"backbone_{branch}")
        return aligned + backbone(*feats, aligned)

    def _clip_flows(self, frames: list[Tensor], part: range | None = None) -> tuple[list[Tensor], list[Tensor]]:
        return self.spynet.clip_flows(self.shrink(paddle.stack(frames, axis=1)), part)

    def _link(self, previous: Pending, to_next: Tensor, to_previous: Tensor) -> Flows:
        two_back = [self.compose(near, to_next) for near in previous.flows["backward"][:1]]
        two_on = [self.compose(to_previous, far) for far in previous.flows["forward"][:1]]
        return {"backward": (to_next, *two_back), "forward": (to_previous, *two_on)}

    def _describe(self, frame: Tensor) -> Tensors:
        return (self.feat_extract(frame),)

    def _enlarge(self, clip: Clip) -> tuple[list[Tensor], ...]:
        for branch in BRANCHES:
            if branch == BRANCHES[-1]:
                clip.forget_look_ahead()
            self._propagate_all(branch, clip)
        return ([self.reconstruct(frame, *feats) for frame, feats in clip.shown()],)

    def _propagate_all(self, branch: str, clip: Clip) -> None:
        """Walk along the clip and append the state at every frame to its `feats`."""
        for i, states, flows in clip.walk(branch):
            feats = clip.feats[i]
            if not states:
                state = self.begin(branch, *feats)
            else:
                if len(states) == 1:  # the second frame
                    states, flows = (*states, paddle.zeros_like(*states)), (*flows, paddle.zeros_like(*flows))
                state = self.propagate(branch, *states, *flows, *feats)
            feats.append(state)
