"""Cut a large picture into overlapping tiles of one size whose kept parts cover it exactly. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple


class Span(NamedTuple):
    """One tile along one axis: it reads [start, start + size) and what is kept of it is [first, last)."""

    start: int
    first: int
    last: int


class Tile(NamedTuple):
    """A rectangle of the picture that is computed at once, and the part of its result that is kept."""

    rows: Span
    columns: Span


def spans(length: int, size: int, overlap: int) -> list[Span]:
    """Cover `length` by spans of `size` with at least `overlap` samples of context beyond every kept part.

    (At the borders of the picture there is nothing beyond.) The spans are spread evenly; `length` >= `size`.
    Raises ValueError unless 0 <= 2 * overlap < size <= length.
    """
    if not 0 <= 2 * overlap < size <= length:
        raise ValueError(f"cannot cover {length} by tiles of {size} that overlap by {overlap}")
    count = 1 if size == length else -(-(length - 2 * overlap) // (size - 2 * overlap))
    starts = [round(i * (length - size) / (count - 1)) for i in range(count)] if count > 1 else [0]
    cuts = [0, *((a + size + b) // 2 for a, b in pairwise(starts)), length]
    return [Span(start, first, last) for start, (first, last) in zip(starts, pairwise(cuts), strict=True)]


def tiles(height: int, width: int, tile: tuple[int, int], overlap: int) -> Iterator[Tile]:
    """Yield the tiles of a `height` x `width` picture, row by row; an axis that fits whole is not cut."""
    across = spans(width, tile[1], overlap if tile[1] < width else 0)
    for rows in spans(height, tile[0], overlap if tile[0] < height else 0):
        yield from (Tile(rows, columns) for columns in across)
