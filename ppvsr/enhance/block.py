"""What the engine computes at once, and the two ways to do it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from paddle import Tensor

from ppvsr.video.frames import Frame

Item = tuple[Frame, Tensor]  # a frame, and its padded picture on the device, (h, w, 3), integers


@dataclass(frozen=True)
class Block:
    """Frames for the network, and those whose pictures come of it.

    given: frames that go into the network now.  kept: frames that are finished by that, in order; they may have been
    given before.  keep: where they are in what the network returns.  last: whether the stream ends here.
    """

    given: list[Item]
    kept: list[Frame]
    keep: slice
    last: bool


class Way(Protocol):
    """How a network runs along a stream, in one tile."""

    def blocks(self, items: Iterable[Item]) -> Iterator[Block]:
        """Cut a stream; every frame is kept by exactly one block, in order."""

    def run(self, state: Any, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], Any]:
        """Return the pictures (1, 3, s*h, s*w) of the kept frames of a block, and the state for the next one.

        state: what the block before left, None at first; it is not changed.  clip: the given frames, (1, 3, h, w).
        """

    def carried(self, state: Any) -> Iterable[Tensor]:
        """Yield the tensors in a state."""
