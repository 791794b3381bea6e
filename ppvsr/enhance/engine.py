"""Run a network over a stream of frames: blocks in time, tiles in space, all work on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor

from ppvsr.enhance.guard import LIMIT, departure
from ppvsr.enhance.plan import TILE_OVERLAP, Plan, Tile, tiles
from ppvsr.errors import PpvsrError
from ppvsr.resize import resize
from ppvsr.video.frames import AGAIN, BICUBIC, Frame, Image

# ---- Cut a stream into overlapping windows whose kept parts tile it. Pure: knows nothing of pictures or networks.

T = TypeVar("T")


def windows(items: Iterable[T], size: int, overlap: int) -> Iterator[tuple[list[T], slice]]:
    """Yield windows of at most `size` items, each with the slice that is kept of it.

    Every item is kept by exactly one window, in order.

    Neighbouring windows share `2 * overlap` items, so a kept item has at least `overlap` items of context on
    either side (fewer only at the ends of the stream). The length of the stream need not be known, and no more
    than `size` items are held. Every item is seen `size / (size - 2 * overlap)` times on average.

    Raises ValueError unless 0 <= 2 * overlap < size.
    """
    if not 0 <= 2 * overlap < size:
        raise ValueError(f"overlap ({overlap}) must be less than half of the window size ({size})")
    buffer: list[T] = []
    first = 0  # the first item of the buffer that no window has kept yet
    for item in items:
        if len(buffer) == size:  # `item` proves that this window is not the last
            yield buffer, slice(first, size - overlap)
            buffer, first = buffer[size - 2 * overlap :], overlap
        buffer.append(item)
    if buffer:
        yield buffer, slice(first, len(buffer))


# ---- What the engine computes at once, and the two ways to do it.

Item = tuple[Frame, Tensor]  # a frame, and its padded picture on the device, (h, w, 3), integers


@dataclass(frozen=True)
class Block:
    """Frames for the network, and those whose pictures come of it.

    given: frames that go into the network now.  kept: frames that are finished by that, in order; they may have been
    given before.  keep: where they are in what the network returns.  last: whether the stream ends here.
    seen: the kept frames, in their places `kept_at`, among neighbours whose frames are held, too.
    """

    given: list[Item]
    kept: list[Frame]
    keep: slice
    last: bool
    seen: list[Frame]
    kept_at: slice


class Way(Protocol):
    """How a network runs along a stream, in one tile."""

    def blocks(self, items: Iterable[Item]) -> Iterator[Block]:
        """Cut a stream; every frame is kept by exactly one block, in order."""

    def run(self, state: Any, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], Any]:
        """Return the pictures (1, 3, s*h, s*w) of the kept frames of a block, and the state for the next one.

        state: what the block before left, None at first; it is not changed.  clip: the given frames, (1, 3, h, w).
        """

    def again(self, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], Any]:
        """Do what `run` does, remembering nothing, with few frames at once; clip: the frames that the block has seen.

        So a recurrence that has gone astray begins anew, and has no room to go astray.
        """

    def carried(self, state: Any) -> Iterable[Tensor]:
        """Yield the tensors in a state."""


# ---- Is what a network computed sound? If not, it is computed again in the safest way there is.

PLAIN = 8 / 255  # of the range: what varies less may well become a picture of one colour, such as noise in black
STRIDE = 16  # of the pixels that are looked at first


@dataclass(frozen=True)
class Fault:
    """What is wrong with the picture of a frame. fatal: whether it cannot be shown."""

    frame: Frame
    seen: str
    fatal: bool

    def __str__(self) -> str:
        return f"the frame at {float(self.frame.time):.3f} s {self.seen}"


class Guard:
    """Lets a computation pass, or has it done again.

    safer: switches the network, for good, to what computes most safely; None when it already does.
    say: hears what was seen and done, a line each time that something new happens.
    """

    def __init__(self, safer: Callable[[], Any] | None, say: Callable[[str], Any]) -> None:
        self._safer = safer
        self._say = say
        self._told = False

    def __call__(self, attempt: Callable[[], tuple[T, Fault | None]]) -> T:
        """Return the result of `attempt`, which can be run again, and says what is wrong with its result.

        Raises PpvsrError when the result is unfit for use and there is no safer way to it.
        """
        result, fault = attempt()
        if fault and self._safer:
            self._say(f"{fault}; it is computed again by Paddle's own operators, and so is all that follows")
            safer, self._safer = self._safer, None
            safer()
            result, fault = attempt()
        if fault and fault.fatal:
            raise PpvsrError(
                f"{fault}; the likely cause are the weights, damaged or of a training that diverged:"
                " try others (--weights)"
            )
        if fault and not self._told:
            self._say(f"{fault}; Paddle's own operators say so, too: it is kept, as are others like it")
            self._told = True
        return result


def unsound(tensors: Iterable[Tensor]) -> int | None:
    """Return the index of the first tensor in which something is infinite or no number; None when all are sound."""
    # a sum needs no memory, and one number that is not finite makes it so
    return next((i for i, x in enumerate(tensors) if not bool(paddle.isfinite(x.sum()))), None)


def lost(picture: Image, source: Image) -> bool:
    """Return whether a picture is of one colour although what it was made from, of the same type, is not."""
    if not picture.size or (picture[::STRIDE, ::STRIDE] != picture[0, 0]).any() or (picture != picture[0, 0]).any():
        return False
    low, high = source.min(axis=(0, 1)).astype(int), source.max(axis=(0, 1)).astype(int)
    return bool((high - low).max() >= PLAIN * np.iinfo(source.dtype).max)


# ---- What went wrong over many frames is computed again over few.

FEW = 3  # frames on either side of those that are kept, at most, when a block is computed again


def _few_at_once(
    alone: Callable[[Sequence[Tensor]], Sequence[Tensor]], clip: Sequence[Tensor], window: int
) -> list[Tensor]:
    """Return the pictures of a clip from windows, each for itself, of at most half as many frames as usual."""
    size = max(min(2 * FEW, window // 2), 1)
    parts = windows(clip, size, min(FEW - 1, (size - 1) // 2))
    return [picture for part, keep in parts for picture in list(alone(part))[keep]]


# ---- Networks that go on where they stopped: every frame is given to them once.


class StreamNetwork(Protocol):
    """A network that can be given a film block by block."""

    def extend(self, state: Any, frames: Sequence[Tensor], *, last: bool, look_ahead: int) -> tuple[list[Tensor], Any]:
        """Go on by frames (b, 3, h, w); return the pictures that are known now, and the new state."""


@dataclass(frozen=True)
class Streamed:
    """Blocks of `window - look_ahead` new frames, the first of `window`; the newest `look_ahead` wait for the next one.

    So the network's backward branches go over at most `window` frames at a time, and every picture but the last ones of
    the film has seen at least `look_ahead` frames that come after it.
    """

    net: StreamNetwork
    window: int
    look_ahead: int

    def blocks(self, items: Iterable[Item]) -> Iterator[Block]:
        """Cut a stream; no more than `window` frames are held."""
        new: list[Item] = []
        waiting: list[Frame] = []
        size = self.window
        for item in items:
            if len(new) == size:  # `item` proves that this block is not the last
                known = waiting + [frame for frame, _ in new]
                kept, waiting = known[: -self.look_ahead], known[-self.look_ahead :]
                yield Block(new, kept, slice(None), last=False, seen=known, kept_at=slice(len(kept)))
                new, size = [], self.window - self.look_ahead
            new.append(item)
        if new:
            known = waiting + [frame for frame, _ in new]
            yield Block(new, known, slice(None), last=True, seen=known, kept_at=slice(len(known)))

    def run(self, state: Any, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], Any]:
        """Return the pictures of the kept frames and the new state."""
        return self.net.extend(state, clip, last=block.last, look_ahead=self.look_ahead)

    def again(self, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], Any]:
        """Return the pictures of the kept frames and a state that knows the last frames only."""

        def alone(part: Sequence[Tensor]) -> Sequence[Tensor]:
            return self.net.extend(None, part, last=True, look_ahead=self.look_ahead)[0]

        pictures = _few_at_once(alone, clip, self.window)[block.kept_at]
        if block.last:
            return pictures, self.net.extend(None, clip[-1:], last=True, look_ahead=self.look_ahead)[1]
        newest = clip[-(self.look_ahead + FEW) :]
        return pictures, self.net.extend(None, newest, last=False, look_ahead=self.look_ahead)[1]

    def carried(self, state: Any) -> Iterable[Tensor]:
        """Yield what the network carries on."""
        return state.tensors()


# ---- Networks that know nothing of streams: overlapping windows, each computed for itself.


@dataclass(frozen=True)
class Windowed:
    """Windows of `window` frames, of which those with `overlap` frames of context on either side are kept.

    net: takes (1, t, 3, h, w) in [0, 1], returns a tuple whose last member is (1, t, 3, s*h, s*w).
    """

    net: Callable[[Tensor], tuple[Tensor, ...]]
    window: int
    overlap: int

    def blocks(self, items: Iterable[Item]) -> Iterator[Block]:
        """Cut a stream into windows; no more than one is held."""
        for given, keep in windows(items, self.window, self.overlap):
            seen = [frame for frame, _ in given]
            yield Block(given, seen[keep], keep, last=False, seen=seen, kept_at=keep)

    def run(self, state: None, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], None]:
        """Return the pictures of the kept frames; there is nothing to carry on."""
        pictures = self.net(paddle.stack(list(clip), axis=1))[-1]
        return [pictures[:, i] for i in range(*block.keep.indices(len(clip)))], None

    def again(self, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], None]:
        """Return the pictures of the kept frames, from shorter windows."""

        def alone(part: Sequence[Tensor]) -> Sequence[Tensor]:
            return self.net(paddle.stack(list(part), axis=1))[-1].unbind(1)

        return _few_at_once(alone, clip, self.window)[block.kept_at], None

    def carried(self, state: Any) -> Iterable[Tensor]:
        """Yield nothing: windows know nothing of each other."""
        return ()


# ---- Run a network over a stream of frames: blocks in time, tiles in space, all work on the device.


class Enhancer:
    """Frames in, frames `scale` times larger out, one for one and in order.

    net: with `extend` (ppvsr.enhance.engine) if the plan says streaming; else (ppvsr.enhance.engine) any function.
    plan: made for the frames' size. Small pictures are padded here, once, and the result is cropped back.
    safer: switches the network to the safest way to compute, for good; called when its results are not sound.
    say: hears of such results. Raises PpvsrError when they stay what they are.
    guard: whether frames that are unlike their source (ppvsr.enhance.guard) are mended, which their `mended` says; off
    when the network itself is measured.

    Frames cross to the device once, as integers. Every call starts a stream of its own.
    """

    def __init__(
        self,
        net: Any,
        plan: Plan,
        *,
        safer: Callable[[], Any] | None = None,
        say: Callable[[str], Any] = lambda line: None,
        guard: bool = True,
    ) -> None:
        self.plan = plan
        self._mends = guard
        self._way: Way = (Streamed if plan.streaming else Windowed)(net, plan.window, plan.overlap)
        self._guard = Guard(safer, say)
        self._tiles = list(tiles(*plan.padded, plan.tile, TILE_OVERLAP))

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Enhance a stream; no more than one window of frames is held."""
        uploaded = ((frame, self._upload(frame.image)) for frame in frames)
        states: list[Any] = [None] * len(self._tiles)
        for block in self._way.blocks(uploaded):
            clip = [tensor for _, tensor in block.given]
            images = self._run(block, states, lambda state, part, block=block: self._way.run(state, part, block), clip)
            mended = self._mend(block, images, states) if self._mends else [None] * len(images)
            images.reverse()
            for frame, how in zip(block.kept, mended, strict=True):
                image = images.pop()  # whoever takes it decides how long it is held
                yield replace(frame, image=image, mended=how or frame.mended)

    def _upload(self, image: Image) -> Tensor:
        height, width = image.shape[:2]
        down, across = self.plan.padded
        padded = np.pad(image, ((0, down - height), (0, across - width), (0, 0)), mode="symmetric")
        return paddle.to_tensor(padded if padded.dtype == np.uint8 else padded.astype(np.int32))  # no uint16 there

    def _mend(self, block: Block, images: list[Image], states: list[Any]) -> list[str | None]:
        """Replace the pictures that are unlike their source, and their neighbours; return how each was mended."""
        wrong = [departure(*pair) > LIMIT for pair in zip(images, (frame.image for frame in block.kept), strict=True)]
        if not any(wrong):
            return [None] * len(images)
        clip = [self._upload(frame.image) for frame in block.seen]
        again = self._run(block, states, lambda _, part: self._way.again(part, block), clip)
        mended: list[str | None] = []
        for i, (frame, image) in enumerate(zip(block.kept, again, strict=True)):
            if departure(image, frame.image) <= LIMIT:
                images[i] = image
                mended.append(AGAIN)
            elif wrong[i]:
                height, width = frame.image.shape[:2]
                images[i] = resize(frame.image, height * self.plan.limits.scale, width * self.plan.limits.scale)
                mended.append(BICUBIC)
            else:
                mended.append(None)
        return mended

    @paddle.no_grad()
    def _run(
        self,
        block: Block,
        states: list[Any],
        compute: Callable[[Any, list[Tensor]], tuple[list[Tensor], Any]],
        clip: list[Tensor],
    ) -> list[Image]:
        """Return the pictures of the kept frames, (s*h, s*w, 3), and put the new states into the place of the old.

        compute: from a tile's state and its part of the clip to its pictures and its new state.
        """
        plan, scale = self.plan, self.plan.limits.scale
        dtype = block.given[0][0].image.dtype
        images = [np.empty((plan.height * scale, plan.width * scale, 3), dtype) for _ in block.kept]
        for number, tile in enumerate(self._tiles):
            attempt = partial(self._attempt, block, tile, states[number], images, compute, clip)
            states[number] = self._guard(attempt)
        return images

    def _attempt(
        self,
        block: Block,
        tile: Tile,
        state: Any,
        images: Sequence[NDArray[Any]],
        compute: Callable[[Any, list[Tensor]], tuple[list[Tensor], Any]],
        clip: list[Tensor],
    ) -> tuple[Any, Fault | None]:
        """Compute one tile into the images; return the new state, and what is wrong with any of it."""
        source, part, target = _areas(tile, self.plan)
        top = np.iinfo(images[0].dtype).max
        pictures, state = compute(state, [_to_network(tensor[source[0], source[1]], top) for tensor in clip])
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
