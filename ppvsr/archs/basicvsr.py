"""BasicVSR (arXiv 2012.02181)."""

from __future__ import annotations

import paddle
import paddle.nn as nn
from paddle import Tensor

from ppvsr.archs.blocks import ResidualTrunk, lrelu
from ppvsr.archs.checks import check_clip
from ppvsr.archs.recurrent import RecurrentNet, visits
from ppvsr.ops.resample import upsample


class BasicVSR(RecurrentNet):
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
        check_clip(lq, min_size=self.min_size)
        frames = lq.unbind(1)
        to_next, to_previous = self.spynet.clip_flows(lq)
        backward = self._propagate_all("backward", frames, to_next)
        forward = self._propagate_all("forward", frames, to_previous)
        pictures = [self.reconstruct(*feats) for feats in zip(frames, backward, forward, strict=True)]
        return (paddle.stack(pictures, axis=1),)

    def propagate(self, branch: str, aligned: Tensor, frame: Tensor) -> Tensor:
        """Return the next state of a branch, given its last one, brought onto the frame."""
        trunk = self.backward_resblocks if branch == "backward" else self.forward_resblocks
        return trunk(paddle.concat([frame, aligned], axis=1))

    def reconstruct(self, frame: Tensor, backward: Tensor, forward: Tensor) -> Tensor:
        """Return the picture (b, 3, 4h, 4w) of a frame, given the states of both branches at it."""
        x = lrelu(self.fusion(paddle.concat([backward, forward], axis=1)))
        return self.residue(x) + upsample(frame, self.scale)

    def _propagate_all(self, branch: str, frames: list[Tensor], flows: list[Tensor]) -> list[Tensor]:
        """Return the states of a branch at all frames."""
        b, _, h, w = frames[0].shape
        state = paddle.zeros([b, self.mid_channels, h, w], frames[0].dtype)
        states = {}
        last = None
        for i in visits(branch, len(frames)):
            aligned = state if last is None else self.align(state, flows[min(last, i)])
            states[i] = state = self.propagate(branch, aligned, frames[i])
            last = i
        return [states[i] for i in range(len(frames))]
