"""Networks that go on where they stopped: every frame is given to them once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from paddle import Tensor

from ppvsr.enhance.block import Block, Item
from ppvsr.video.frames import Frame


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
                yield Block(new, kept, slice(None), last=False)
                new, size = [], self.window - self.look_ahead
            new.append(item)
        if new:
            yield Block(new, waiting + [frame for frame, _ in new], slice(None), last=True)

    def run(self, state: Any, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], Any]:
        """Return the pictures of the kept frames and the new state."""
        return self.net.extend(state, clip, last=block.last, look_ahead=self.look_ahead)

    def carried(self, state: Any) -> Iterable[Tensor]:
        """Yield what the network carries on."""
        return state.tensors()
