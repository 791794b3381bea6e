"""Optical flow by a pyramid of small networks (SPyNet, arXiv 1611.00850)."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

import paddle
import paddle.nn as nn
import paddle.nn.functional as F
from paddle import Tensor

from ppvsr.archs.blocks import SLOPE
from ppvsr.ops.init import draw_pair_detectors
from ppvsr.ops.layers import convolve, double, flow_warp, resize

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
MULTIPLE = 32  # sides are brought to a multiple of this


class Kind(NamedTuple):
    """How a flow network is made: the same convolutions on every level, with an activation between them."""

    levels: int
    kernel: int
    channels: tuple[int, ...]
    slope: float  # of the activation below zero
    name: str  # of a convolution, counted from `first`, as in published weights
    first: int
    nested: bool  # published weights know a convolution as `<name>.conv` instead of `<name>`


FULL = (8, 16, 16, 32, 32, 32, 64, 32, 32, 32, 16, 16, 16, 16, 16, 2)
TINY = (8, 16, 16, 32, 32, 32, 32, 16, 16, 16, 8, 8, 2)
KINDS = {
    "basic": Kind(6, 7, (8, 32, 64, 32, 16, 2), 0.0, "conv{}", 1, nested=False),
    "full": Kind(6, 3, FULL, SLOPE, "{}", 0, nested=True),
    "tiny": Kind(3, 3, TINY, SLOPE, "{}", 0, nested=True),
}


class SPyNet(nn.Layer):
    """Optical flow between pairs of frames, from coarse to fine.

    kind: `basic`, the network of the paper, for BasicVSR and its successors (1,440,300 parameters), or one of the
        two with 3x3 convolutions of PP-MSVSR (arXiv 2112.02828): `full` (577,644) and `tiny` (141,078).
    """

    keeps_initial_weights = True

    def __init__(self, kind: Literal["basic", "full", "tiny"] = "basic") -> None:
        super().__init__()
        self.kind = KINDS[kind]
        self.register_buffer("mean", paddle.to_tensor(MEAN).reshape([1, 3, 1, 1]))
        self.register_buffer("std", paddle.to_tensor(STD).reshape([1, 3, 1, 1]))
        self.levels = nn.LayerList([_level(self.kind) for _ in range(self.kind.levels)])

    def prepare_to_learn(self) -> None:
        """Draw weights from which flow can be learned, the same for all levels.

        With uniform ones, as in `reset_weights`, a signal fades from layer to layer, and the flow stays zero.
        """
        draw_pair_detectors(self._convolutions(self.levels[0]), self.kind.slope)
        for level in self.levels[1:]:
            level.set_state_dict(self.levels[0].state_dict())

    def forward(self, ref: Tensor, other: Tensor) -> Tensor:
        """Return the flow (n, 2, h, w), in pixels, x first, from `ref` to `other`, both (n, 3, h, w), RGB in [0, 1].

        Warping something of `other` by it brings it onto `ref`.
        """
        return self.match(self.pyramid(ref), self.pyramid(other), *ref.shape[2:])

    def clip_flows(self, lq: Tensor, part: range | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Return the flows between neighbours in a clip (b, t, 3, h, w): two lists of t - 1 tensors (b, 2, h, w).

        The first holds the flows from frame i to i + 1, which propagation backward in time needs; the second those
        from i + 1 to i.  part: frames whose flows have gradients while training (so have the two flows between it and
        its neighbours on either side); None for all.
        """
        t = lq.shape[1]
        if t == 1:
            return [], []
        if not self.training:  # pair by pair: all at once would need memory without being faster
            return self._pairwise_flows(lq.unbind(1))
        if part is None:
            return self._learning_flows(lq)
        first, last = max(part.start - 1, 0), min(part.stop, t - 1)
        with paddle.no_grad():
            before = self._pairwise_flows(lq[:, : first + 1].unbind(1))
            after = self._pairwise_flows(lq[:, last:].unbind(1))
        inside = self._learning_flows(lq[:, first : last + 1]) if first < last else ([], [])
        to_next, to_previous = ([*a, *b, *c] for a, b, c in zip(before, inside, after, strict=True))
        return to_next, to_previous

    def _pairwise_flows(self, frames: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Do what `clip_flows` does for frames (b, 3, h, w), pair by pair."""
        flows = [self.both_flows(earlier, later) for earlier, later in pairwise(frames)]
        return [to_next for to_next, _ in flows], [to_previous for _, to_previous in flows]

    def _learning_flows(self, lq: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Do what `clip_flows` does, all pairs at once."""
        b, t, c, h, w = lq.shape
        pyramid = [level.reshape([b, t, *level.shape[1:]]) for level in self.pyramid(lq.reshape([b * t, c, h, w]))]
        earlier = [level[:, :-1].flatten(0, 1) for level in pyramid]
        later = [level[:, 1:].flatten(0, 1) for level in pyramid]
        to_next = self.match(earlier, later, h, w).reshape([b, t - 1, 2, h, w])
        to_previous = self.match(later, earlier, h, w).reshape([b, t - 1, 2, h, w])
        return to_next.unbind(1), to_previous.unbind(1)

    def both_flows(self, earlier: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
        """Return the flow from the earlier to the later of two frames (n, 3, h, w), and that back."""
        n, _, h, w = earlier.shape
        there = self.pyramid(paddle.concat([earlier, later]))
        back = [paddle.concat([level[n:], level[:n]]) for level in there]
        flows = self.match(there, back, h, w)
        return flows[:n], flows[n:]

    def pyramid(self, frames: Tensor) -> list[Tensor]:
        """Return normalised frames (n, 3, h, w) at every level, coarsest first, sides brought to multiples of 32."""
        h, w = (-(-side // MULTIPLE) * MULTIPLE for side in frames.shape[2:])
        levels = [(resize(frames, h, w) - self.mean) / self.std]
        for _ in self.levels[1:]:
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels[::-1]

    def match(self, ref: list[Tensor], other: list[Tensor], h: int, w: int) -> Tensor:
        """Return the flow (n, 2, h, w) between two pyramids."""
        flow = self.flows(ref, other)[-1]
        padded_h, padded_w = flow.shape[2:]
        flow = resize(flow, h, w)
        return paddle.concat([flow[:, :1] * (w / padded_w), flow[:, 1:] * (h / padded_h)], axis=1)

    def flows(self, ref: list[Tensor], other: list[Tensor]) -> list[Tensor]:
        """Return the flow between two pyramids at every level, in the level's own pixels, coarsest first.

        The pyramids may have fewer levels than the network: then its first, coarsest ones work.
        """
        flow = paddle.zeros_like(ref[0][:, :2]).astype("float32")
        warped = other[0]
        flows: list[Tensor] = []
        for i in range(len(ref)):
            if i:
                flow = 2 * double(flow)
                warped = flow_warp(other[i], flow, border=True)
            flow = flow + self._residue(self.levels[i], ref[i], warped, flow).astype("float32")
            flows.append(flow)
        return flows

    def _residue(self, level: nn.Sequential, *xs: Tensor) -> Tensor:
        convs = self._convolutions(level)
        for conv in convs[:-1]:
            xs = (convolve(conv, *xs, slope=self.kind.slope),)
        return convolve(convs[-1], *xs)

    def _convolutions(self, level: nn.Sequential) -> list[nn.Conv2D]:
        return [each[0] if self.kind.nested else each for each in level]


def _level(kind: Kind) -> nn.Sequential:
    """Make the convolutions of one level, under the names of the kind."""
    level = nn.Sequential()
    for i, (fan_in, fan_out) in enumerate(pairwise(kind.channels), start=kind.first):
        conv = nn.Conv2D(fan_in, fan_out, kind.kernel, padding=kind.kernel // 2)
        level.add_sublayer(kind.name.format(i), nn.Sequential(("conv", conv)) if kind.nested else conv)
    return level
