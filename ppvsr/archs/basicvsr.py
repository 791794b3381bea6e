"""BasicVSR and IconVSR (arXiv 2012.02181)."""

from __future__ import annotations

import paddle
import paddle.nn as nn
from paddle import Tensor

from ppvsr.archs.blocks import SLOPE, ResidualTrunk, check_clip, check_multiple, check_part, conv3x3
from ppvsr.archs.edvr import EDVRFeatureExtractor
from ppvsr.archs.recurrent import NO_FLOWS, Clip, Pending, RecurrentNet, Streaming, Tensors, link
from ppvsr.errors import ConfigError
from ppvsr.ops.layers import convolve, pad_to_multiple, upsample

# ---- BasicVSR (arXiv 2012.02181).


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


# ---- IconVSR (arXiv 2012.02181).

MULTIPLE = 4  # of the sides, for the pyramid of the extractor


class IconVSR(RecurrentNet):
    """IconVSR, x4: BasicVSR with coupled branches and keyframes. 8,694,991 parameters, 31.69 dB on REDS4.

    mid_channels: width c of all features, a multiple of 8. num_blocks: residual blocks in the trunk of each branch.
    padding: frames on either side of a keyframe that its features are made of.
    keyframe_stride: distance of keyframes; the last frame is one, too.

    A forward pass is a loop over these steps, each from tensors to tensors (states (b, c, h, w), flows (b, 2, h, w),
    all on frames that were padded to multiples of 4):

    - `spynet.both_flows(earlier, later)`: the flows between two frames;
    - `edvr(window)`: features (b, c, h, w) of a keyframe from the frames around it (b, 2 * padding + 1, 3, h, w), which
      `window_index` names;
    - `align(state, flow)`: the state of a branch, brought onto the next frame (zeros for its first frame);
    - `refill(branch, aligned, key)`: at keyframes, what takes the place of the aligned state;
    - `propagate(branch, aligned, *feats)`: the next state of "backward", with feats (frame,), or of "forward", with
      (frame, backward);
    - `reconstruct(frame, forward)`: the picture (b, 3, 4h, 4w).
    """

    steps = ("spynet.both_flows", "edvr.forward", "align", "refill", "propagate", "reconstruct")
    size_multiple = MULTIPLE

    def __init__(
        self, *, mid_channels: int = 64, num_blocks: int = 30, padding: int = 2, keyframe_stride: int = 5
    ) -> None:
        check_multiple("mid_channels", mid_channels, 8)
        if padding < 1 or keyframe_stride < 1:
            option = f"padding: {padding}" if padding < 1 else f"keyframe_stride: {keyframe_stride}"
            raise ConfigError(f"{option} must be at least 1")
        super().__init__(mid_channels)
        c = mid_channels
        self.mid_channels = c
        self.padding = padding
        self.keyframe_stride = keyframe_stride
        self.edvr = EDVRFeatureExtractor(c, 2 * padding + 1, padding)
        self.backward_fusion = conv3x3(2 * c, c)
        self.forward_fusion = conv3x3(2 * c, c)
        self.backward_resblocks = ResidualTrunk(c + 3, c, num_blocks)
        self.forward_resblocks = ResidualTrunk(2 * c + 3, c, num_blocks)

    def forward(self, lq: Tensor) -> tuple[Tensor, ...]:
        """Enlarge a clip (b, t, 3, h, w), RGB in [0, 1], t >= 1, to (b, t, 3, 4h, 4w), in a tuple of one.

        Sides that are no multiples of 4 are padded here and the answer is cropped.

        Raises ValueError if `lq` is no such clip or has a side under 64.
        """
        return self._run(lq, None)[0]

    def learn(self, lq: Tensor, part: range) -> tuple[Tensors, dict[str, Tensors]]:
        """Run a clip of which only the frames of `part` are learned from; see `Streaming.learn`."""
        return self._run(lq, part)

    def _run(self, lq: Tensor, part: range | None) -> tuple[Tensors, dict[str, Tensors]]:
        check_clip(lq, min_size=self.min_size)
        b, t, _, h, w = lq.shape
        shown = range(t) if part is None else part
        check_part(shown, t)
        padded = pad_to_multiple(lq.flatten(0, 1), MULTIPLE)
        padded = padded.reshape([b, t, *padded.shape[1:]])
        frames = padded.unbind(1)
        flows = [NO_FLOWS, *map(link, *self.spynet.clip_flows(padded, part))]
        pending = [
            Pending(x, f, (x,), fixed=i not in shown) for i, (x, f) in enumerate(zip(frames, flows, strict=True))
        ]
        clip = Clip(pending, {}, known=shown.stop, first=shown.start)
        keys: dict[int, Tensor] = {}
        for i in self.keyframes(t):
            with clip.learning(i):
                keys[i] = self.edvr(self._window(frames, i))
        self._propagate_all("backward", clip, keys)
        clip.forget_look_ahead()
        self._propagate_all("forward", clip, keys)
        pictures = [self.reconstruct(frame, feats[-1]) for frame, feats in clip.shown()]
        return (paddle.stack(pictures, axis=1)[..., : self.scale * h, : self.scale * w],), clip.states()

    def keyframes(self, t: int) -> list[int]:
        """Return the keyframes of a clip."""
        return sorted({*range(0, t, self.keyframe_stride), t - 1})

    def refill(self, branch: str, aligned: Tensor, key: Tensor) -> Tensor:
        """Fuse the state of a branch, brought onto a keyframe, with the features of that frame."""
        fusion = self.backward_fusion if branch == "backward" else self.forward_fusion
        return convolve(fusion, aligned, key)

    def propagate(self, branch: str, aligned: Tensor, *feats: Tensor) -> Tensor:
        """Return the next state of a branch, given its last one, brought onto the frame."""
        trunk = self.backward_resblocks if branch == "backward" else self.forward_resblocks
        return trunk(*feats, aligned)

    def reconstruct(self, frame: Tensor, forward: Tensor) -> Tensor:
        """Return the picture (b, 3, 4h, 4w) of a frame, given the state of the second branch at it."""
        return self.residue(forward) + upsample(frame, self.scale)

    def _window(self, frames: list[Tensor], i: int) -> Tensor:
        """Return the frames around a keyframe, (b, 2 * padding + 1, 3, h, w)."""
        around = range(i - self.padding, i + self.padding + 1)
        return paddle.stack([frames[window_index(j, len(frames), self.padding)] for j in around], axis=1)

    def _propagate_all(self, branch: str, clip: Clip, keys: dict[int, Tensor]) -> None:
        """Walk along the clip and append the state at every frame to its `feats`."""
        for i, states, flows in clip.walk(branch):
            aligned = self.align(*states, *flows) if states else paddle.zeros_like(keys[0])
            if i in keys:
                aligned = self.refill(branch, aligned, keys[i])
            clip.feats[i].append(self.propagate(branch, aligned, *clip.feats[i]))


def window_index(i: int, t: int, padding: int) -> int:
    """Return the frame that stands for frame `i` of a clip of `t` in the window of a keyframe.

    Published weights want frames outside of the clip replaced by frames on the other side of the window, which are
    not in it yet: -1 by padding + 1, -2 by padding + 2. A clip that is too short for this is mirrored at its ends.
    """
    if 0 <= i < t:
        return i
    if t > 2 * padding:
        return padding - i if i < 0 else 2 * (t - 1) - i - padding
    period = max(2 * (t - 1), 1)
    return min(i % period, -i % period)
