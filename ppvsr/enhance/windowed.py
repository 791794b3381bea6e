"""Networks that know nothing of streams: overlapping windows, each computed for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import Tensor

from ppvsr.enhance.block import Block, Item
from ppvsr.windows import windows


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
            yield Block(given, [frame for frame, _ in given[keep]], keep, last=False)

    def run(self, state: None, clip: Sequence[Tensor], block: Block) -> tuple[list[Tensor], None]:
        """Return the pictures of the kept frames; there is nothing to carry on."""
        pictures = self.net(paddle.stack(list(clip), axis=1))[-1]
        return [pictures[:, i] for i in range(*block.keep.indices(len(clip)))], None

    def carried(self, state: Any) -> Iterable[Tensor]:
        """Yield nothing: windows know nothing of each other."""
        return ()
