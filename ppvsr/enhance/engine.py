"""Run a network over a stream of frames: blocks in time, tiles in space, all work on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor

from ppvsr.enhance.block import Block, Way
from ppvsr.enhance.health import Fault, Guard, lost, unsound
from ppvsr.enhance.plan import TILE_OVERLAP, Plan
from ppvsr.enhance.stream import Streamed
from ppvsr.enhance.tiles import Tile, tiles
from ppvsr.enhance.windowed import Windowed
from ppvsr.video.frames import Frame, Image


class Enhancer:
    """Frames in, frames `scale` times larger out, one for one and in order.

    net: with `extend` (ppvsr.enhance.stream) if the plan says streaming; else (ppvsr.enhance.windowed) any function.
    plan: made for the frames' size. Small pictures are padded here, once, and the result is cropped back.
    safer: switches the network to the safest way to compute, for good; called when its results are not sound.
    say: hears of such results. Raises PpvsrError when they stay what they are.

    Frames cross to the device once, as integers. Every call starts a stream of its own.
    """

    def __init__(
        self,
        net: Any,
        plan: Plan,
        *,
        safer: Callable[[], Any] | None = None,
        say: Callable[[str], Any] = lambda line: None,
    ) -> None:
        self.plan = plan
        self._way: Way = (Streamed if plan.streaming else Windowed)(net, plan.window, plan.overlap)
        self._guard = Guard(safer, say)
        self._tiles = list(tiles(*plan.padded, plan.tile, TILE_OVERLAP))

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Enhance a stream; no more than one window of frames is held."""
        uploaded = ((frame, self._upload(frame.image)) for frame in frames)
        states: list[Any] = [None] * len(self._tiles)
        for block in self._way.blocks(uploaded):
            images = self._run(block, states)[::-1]
            for frame in block.kept:
                yield replace(frame, image=images.pop())  # whoever takes it decides how long it is held

    def _upload(self, image: Image) -> Tensor:
        height, width = image.shape[:2]
        down, across = self.plan.padded
        padded = np.pad(image, ((0, down - height), (0, across - width), (0, 0)), mode="symmetric")
        return paddle.to_tensor(padded if padded.dtype == np.uint8 else padded.astype(np.int32))  # no uint16 there

    @paddle.no_grad()
    def _run(self, block: Block, states: list[Any]) -> list[Image]:
        """Return the pictures of the kept frames, (s*h, s*w, 3), and put the new states into the place of the old."""
        plan, scale = self.plan, self.plan.limits.scale
        dtype = block.given[0][0].image.dtype
        images = [np.empty((plan.height * scale, plan.width * scale, 3), dtype) for _ in block.kept]
        for number, tile in enumerate(self._tiles):
            states[number] = self._guard(partial(self._attempt, block, tile, states[number], images))
        return images

    def _attempt(
        self, block: Block, tile: Tile, state: Any, images: Sequence[NDArray[Any]]
    ) -> tuple[Any, Fault | None]:
        """Compute one tile into the images; return the new state, and what is wrong with any of it."""
        source, part, target = _areas(tile, self.plan)
        top = np.iinfo(images[0].dtype).max
        clip = [_to_network(tensor[source[0], source[1]], top) for _, tensor in block.given]
        pictures, state = self._way.run(state, clip, block)
        if (bad := unsound(pictures)) is not None:
            return state, Fault(block.kept[bad], "became a picture that is not finite", fatal=True)
        if unsound(self._way.carried(state)) is not None:
            newest = block.given[-1][0]
            return state, Fault(newest, "left something that is not finite to those that follow", fatal=True)
        fault = None
        shown = [slice(span.start // self.plan.limits.scale, span.stop // self.plan.limits.scale) for span in target]
        for frame, picture, image in zip(block.kept, pictures, images, strict=True):
            area = image[target[0], target[1]]
            area[:] = _from_network(picture[0, :, part[0], part[1]], top)
            if fault is None and lost(area, frame.image[shown[0], shown[1]]):
                fault = Fault(frame, "became a picture of one colour, which it is not", fatal=False)
        return state, fault


def _to_network(image: Tensor, top: int) -> Tensor:
    """Turn integers (h, w, 3) into a picture (1, 3, h, w) in [0, 1]."""
    return image.transpose([2, 0, 1]).unsqueeze(0).astype("float32") / float(top)


def _from_network(picture: Tensor, top: int) -> NDArray[Any]:
    """Turn a picture (3, h, w) into integers (h, w, 3)."""
    levels = (picture.clip(0.0, 1.0) * float(top)).round().transpose([1, 2, 0])
    return levels.astype("uint8" if top == 255 else "int32").numpy()


def _areas(tile: Tile, plan: Plan) -> tuple[list[slice], list[slice], list[slice]]:
    """Return (rows, columns) of what the tile reads, of what is kept of its result, and of where that goes."""
    scale = plan.limits.scale
    source, part, target = [], [], []
    for span, size, length in zip(tile, plan.tile, (plan.height, plan.width), strict=True):
        last = max(min(span.last, length), span.first)  # the padding is not kept
        source.append(slice(span.start, span.start + size))
        part.append(slice((span.first - span.start) * scale, (last - span.start) * scale))
        target.append(slice(span.first * scale, last * scale))
    return source, part, target
