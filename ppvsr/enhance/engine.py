"""Cut a stream into overlapping windows whose kept parts tile it. Pure: knows nothing of pictures or networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

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
