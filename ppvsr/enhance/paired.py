"""Carry something beside every frame through a chain that only knows frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

from ppvsr.enhance.pipeline import Enhance
from ppvsr.video.frames import Frame

T = TypeVar("T")


def paired(items: Iterable[tuple[Frame, T]], chain: Enhance) -> Iterator[tuple[Frame, T]]:
    """Run `chain` over the frames, and yield every result with what stood beside its frame, one for one.

    As many of those wait as the chain holds frames back. Raises ValueError when the chain gives more or fewer frames
    than it was given: a film would be out of step with its sound.
    """
    waiting: deque[T] = deque()

    def frames() -> Iterator[Frame]:
        for frame, beside in items:
            waiting.append(beside)
            yield frame

    for result in chain(frames()):
        if not waiting:
            raise ValueError("the chain gave more frames than it was given")
        yield result, waiting.popleft()
    if waiting:
        raise ValueError(f"the chain gave {len(waiting)} frames less than it was given")
