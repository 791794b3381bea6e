"""Run a network over a stream of frames: windows in time, tiles in space, all work on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor

from ppvsr.enhance.plan import TILE_OVERLAP, Plan
from ppvsr.enhance.tiles import Tile, tiles
from ppvsr.video.frames import Frame
from ppvsr.windows import windows

Network = Callable[[Tensor], tuple[Tensor, ...]]


class Enhancer:
    """Frames in, frames `scale` times larger out, one for one and in order.

    net: takes (1, t, 3, h, w) in [0, 1], returns a tuple whose last member is (1, t, 3, s*h, s*w).
    plan: made for the frames' size. Small pictures are padded here, once, and the result is cropped back.

    Frames cross to the device once, as integers, and are kept there for as long as windows share them.
    """

    def __init__(self, net: Network, plan: Plan) -> None:
        self.net = net
        self.plan = plan

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Enhance a stream; no more than one window of frames is held."""
        uploaded = ((frame, self._upload(frame.image)) for frame in frames)
        for items, keep in windows(uploaded, self.plan.window, self.plan.overlap):
            images = self._run([tensor for _, tensor in items], keep, items[0][0].image.dtype)
            for (frame, _), image in zip(items[keep], images, strict=True):
                yield replace(frame, image=image)

    def _upload(self, image: NDArray[Any]) -> Tensor:
        height, width = image.shape[:2]
        down, across = self.plan.padded
        padded = np.pad(image, ((0, down - height), (0, across - width), (0, 0)), mode="symmetric")
        return paddle.to_tensor(padded if padded.dtype == np.uint8 else padded.astype(np.int32))  # no uint16 there

    @paddle.no_grad()
    def _run(self, clip: list[Tensor], keep: slice, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the kept frames of one window, (k, s*h, s*w, 3)."""
        plan, scale, top = self.plan, self.plan.limits.scale, np.iinfo(dtype).max
        lq = paddle.stack(clip).transpose([0, 3, 1, 2]).unsqueeze(0).astype("float32") / float(top)
        count = keep.stop - keep.start
        out = np.empty((count, plan.height * scale, plan.width * scale, 3), dtype)
        for tile in tiles(*plan.padded, plan.tile, TILE_OVERLAP):
            source, part, target = _areas(tile, plan, scale)
            answer = self.net(lq[:, :, :, source[0], source[1]])[-1][0, keep, :, part[0], part[1]]
            answer = (answer.clip(0.0, 1.0) * float(top)).round().transpose([0, 2, 3, 1])
            out[:, target[0], target[1]] = answer.astype("uint8" if top == 255 else "int32").numpy()
        return out


def _areas(tile: Tile, plan: Plan, scale: int) -> tuple[list[slice], list[slice], list[slice]]:
    """Return (rows, columns) of what the tile reads, of what is kept of its result, and of where that goes."""
    source, part, target = [], [], []
    for span, size, length in zip(tile, plan.tile, (plan.height, plan.width), strict=True):
        last = max(min(span.last, length), span.first)  # the padding is not kept
        source.append(slice(span.start, span.start + size))
        part.append(slice((span.first - span.start) * scale, (last - span.start) * scale))
        target.append(slice(span.first * scale, last * scale))
    return source, part, target
