"""BasicVSR (arXiv 2012.02181)."""

from __future__ import annotations

import paddle
import paddle.nn as nn
from paddle import Tensor

from ppvsr.archs.blocks import SLOPE, ResidualTrunk
from ppvsr.archs.recurrent import RecurrentNet
from ppvsr.archs.streaming import Clip, Streaming
from ppvsr.ops.conv import convolve
from ppvsr.ops.resample import upsample


class BasicVSR(Streaming, RecurrentNet):
    """BasicVSR, x4: one pass backward in time, one forward. 6,291,311 parameters, 31.43 dB on REDS4.

    mid_channels: width c of all features.
    num_blocks: residual blocks in the trunk of each branch.

    A forward pass is a loop over these steps, each from tensors to tensors (states (b, c, h, w), flows (b, 2, h, w)):

    - `spynet.both_flows(earlier, later)`: the flows between two frames;
    - `align(state, flow)`: the state of a branch, brought onto the next frame (zeros for its first frame);
    - `propagate(branch, aligned, frame)`: the next state of the branch, "backward" or "forward";
    - `reconstruct(frame, backward, forward)`: the picture (b, 3, 4h, 4w).
    """

    steps = ("spynet.both_flows", "align", "propagate", "reconstruct")

    def __init__(self, *, mid_channels: int = 64, num_blocks: int = 30) -> None:
        super().__init__(mid_channels)
        self.mid_channels = mid_channels
        self.backward_resblocks = ResidualTrunk(mid_channels + 3, mid_channels, num_blocks)
        self.forward_resblocks = ResidualTrunk(mid_channels + 3, mid_channels, num_blocks)
        self.fusion = nn.Conv2D(2 * mid_channels, mid_channels, 1)

    def forward(self, lq: Tensor) -> tuple[Tensor, ...]:
        """Enlarge a clip (b, t, 3, h, w), RGB in [0, 1], t >= 1, to (b, t, 3, 4h, 4w), in a tuple of one.

        Raises ValueError if `lq` is no such clip or has a side under 64.
        """
        return self._whole(lq)

    def propagate(self, branch: str, aligned: Tensor, frame: Tensor) -> Tensor:
        """Return the next state of a branch, given its last one, brought onto the frame."""
        trunk = self.backward_resblocks if branch == "backward" else self.forward_resblocks
        return trunk(frame, aligned)

    def reconstruct(self, frame: Tensor, backward: Tensor, forward: Tensor) -> Tensor:
        """Return the picture (b, 3, 4h, 4w) of a frame, given the states of both branches at it."""
        x = convolve(self.fusion, backward, forward, slope=SLOPE)
        return self.residue(x) + upsample(frame, self.scale)

    def _enlarge(self, clip: Clip) -> tuple[list[Tensor], ...]:
        self._propagate_all("backward", clip)
        clip.forget_look_ahead()
        self._propagate_all("forward", clip)
        return ([self.reconstruct(frame, *feats) for frame, feats in clip.shown()],)

    def _propagate_all(self, branch: str, clip: Clip) -> None:
        """Walk along the clip and append the state at every frame to its `feats`."""
        for i, states, flows in clip.walk(branch):
            if states:
                aligned = self.align(*states, *flows)
            else:
                aligned = paddle.zeros_like(clip.frames[i][:, :1]).tile([1, self.mid_channels, 1, 1])
            clip.feats[i].append(self.propagate(branch, aligned, clip.frames[i]))
