"""Decide, before any work, how a video is cut in time and space so that the memory suffices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ppvsr.errors import PpvsrError, UsageError
from ppvsr.system.machine import format_size

# ---- Cut a large picture into overlapping tiles of one size whose kept parts cover it exactly. Pure.


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


# ---- Decide, before any work, how a film is cut in time and space so that the memory suffices.

TILE_OVERLAP = 32  # low-resolution pixels of context around a tile; measured by benchmarks/seams.py
SMALLEST_TILE = 128
SPARE = 3  # frames that a window keeps at least
PROGRAM = 160 * 2**20  # Python, NumPy, OpenCV and FFmpeg themselves
PADDLE = 290 * 2**20  # and what Paddle adds, weights included
QUEUED = 8  # large pictures on their way to the encoder
ENCODER_FRAMES = 118  # that libx264 holds at its default preset (lookahead, references), in 1.5 samples a pixel


@dataclass(frozen=True)
class Cost:
    """What one pass of a network needs at its peak, in bytes; measured by benchmarks/memory.py.

    per_frame: for each low-resolution pixel of each frame of the window.  per_pass: for each pixel, once.
    fixed: whatever the size, Paddle and weights included.  carried: for each pixel that a stream carries from block to
    block, for each frame of look-ahead and once more.
    """

    per_frame: float
    per_pass: float
    fixed: float = PADDLE
    carried: float = 0.0

    def __call__(self, frames: int, pixels: int) -> float:
        """Return the bytes for a window of so many frames of so many low-resolution pixels."""
        return (frames * self.per_frame + self.per_pass) * pixels + self.fixed


@dataclass(frozen=True)
class Limits:
    """What a network asks of its pictures: the smallest side, a multiple for both sides, and its scale."""

    min_size: int = 1
    size_multiple: int = 1
    scale: int = 4

    def padded(self, side: int) -> int:
        """Return the side that the network is given for a picture's side."""
        return -(-max(side, self.min_size) // self.size_multiple) * self.size_multiple


@dataclass(frozen=True)
class Plan:
    """How one network will run over a film of `height` x `width`.

    window, overlap: frames at once, and frames of context on either side; for streams: how many frames the network
    looks ahead.  tile: (h, w) computed at once, in low-resolution pixels, padding included.  peak: bytes of the whole
    program, expected.  streaming: whether the network goes on where it stopped, instead of window by window.
    wanted: the window and the overlap that would have been used, had the memory been enough.
    """

    height: int
    width: int
    limits: Limits
    window: int
    overlap: int
    tile: tuple[int, int]
    peak: int
    streaming: bool = False
    wanted: tuple[int, int] | None = None

    @property
    def padded(self) -> tuple[int, int]:
        """The size of the padded picture that the tiles cut up."""
        return self.limits.padded(self.height), self.limits.padded(self.width)

    @property
    def count(self) -> int:
        """The number of tiles in a frame."""
        return count_tiles(self.padded, self.tile)

    def __str__(self) -> str:
        frames = f"windows of {self.window} frames with {self.overlap} of context on either side"
        if self.streaming:
            new = self.window - self.overlap
            frames = f"windows of {self.window} frames, {new} of them new, with {self.overlap} of look-ahead"
        frames = "frame by frame" if self.window == 1 else frames
        if self.wanted not in (None, (self.window, self.overlap)):
            frames += " (memory is short: {} and {} otherwise)".format(*self.wanted)
        size = f"{self.width}x{self.height}"
        area = f"whole frames of {size}" if self.count == 1 else f"{self.count} tiles of {_size(self.tile)} over {size}"
        return f"{frames}, {area}, about {format_size(self.peak)} of memory at the peak"


def _size(tile: tuple[int, int]) -> str:
    return f"{tile[1]}x{tile[0]}"


def count_tiles(padded: tuple[int, int], tile: tuple[int, int]) -> int:
    """Return how many tiles cover a padded picture."""
    down, across = (len(spans(a, b, TILE_OVERLAP if b < a else 0)) for a, b in zip(padded, tile, strict=True))
    return down * across


def make_plan(
    height: int,
    width: int,
    *,
    limits: Limits,
    cost: Cost,
    window: int,
    overlap: int,
    memory: int,
    streaming: bool = False,
    shorten: bool = False,
    least_overlap: int | None = None,
    sample: int = 1,
    encoded: bool = True,
) -> Plan:
    """Return the plan that computes least among those whose expected peak stays within `memory` bytes.

    streaming: whether the network can go on where it stopped; without any overlap, which is its look-ahead, it may not.
    shorten: whether windows may be made shorter, down to SPARE frames more than their two overlaps.  least_overlap:
    down to what the overlap may be made smaller, if nothing else helps; None is not at all.
    sample: bytes of one sample of a picture, 2 for films of more than 8 bits.  encoded: whether a video encoder takes
    the result, which holds many frames.
    Raises UsageError for an impossible window, PpvsrError when not even the smallest tile fits.
    """
    check_window(window, overlap)
    padded = limits.padded(height), limits.padded(width)
    overlaps = [overlap] if least_overlap is None else range(overlap, least_overlap - 1, -1)
    least = math.inf
    for way in _ways(window, overlaps, list(_candidates(padded, limits)), padded, streaming, shorten):
        covered = way.tile[0] * way.tile[1] * count_tiles(padded, way.tile)
        peak = PROGRAM + output_bytes(height, width, limits.scale, way.window, sample, encoded)
        peak += int(cost(way.window, way.tile[0] * way.tile[1]))
        if way.streams and way.tile != padded:  # the state of a single tile is part of what its pass needs
            peak += int(cost.carried * (way.overlap + 1) * covered)
        if peak <= memory:
            wanted = None if way[:2] == (window, overlap) else (window, overlap)
            return Plan(height, width, limits, way.window, way.overlap, way.tile, peak, way.streams, wanted)
        least = min(least, peak)
    what = f"{width}x{height}" if window == 1 else f"{width}x{height} in windows of {way.window} frames"
    raise PpvsrError(
        f"{what} needs about {format_size(least)} even in the smallest tiles, and {format_size(memory)} may be used:"
        f" {'' if window == 1 or shorten else 'shorten the windows (--num_frames) or '}allow more (--memory)"
    )


class _Way(NamedTuple):
    """A way to cut a film."""

    window: int
    overlap: int
    tile: tuple[int, int]
    streams: bool

    def work(self, padded: tuple[int, int]) -> float:
        """Return how often every pixel of every frame is computed, at most."""
        area = count_tiles(padded, self.tile) * self.tile[0] * self.tile[1]
        return area / (padded[0] * padded[1]) * self.window / (self.window - (2 - self.streams) * self.overlap)


def _ways(
    window: int,
    overlaps: Iterable[int],
    sizes: Sequence[tuple[int, int]],
    padded: tuple[int, int],
    streaming: bool,
    shorten: bool,
) -> Iterator[_Way]:
    """Yield the ways that there are, in the order in which they are to be tried.

    A smaller overlap shows, so it is the last resort. Smaller tiles, shorter windows and windows instead of a stream
    (which keeps a state for every tile) hardly do, but with all of them more is computed twice: what computes least
    comes first, and among equals streams, long windows and large tiles.
    """
    for overlap in overlaps:
        lengths = range(window, min(window, 2 * overlap + SPARE) - 1, -1) if shorten else [window]
        kinds = [True, False] if streaming and overlap else [False]
        ways = [_Way(frames, overlap, tile, streams) for streams in kinds for frames in lengths for tile in sizes]
        yield from sorted(ways, key=lambda way: way.work(padded))


def check_window(window: int, overlap: int, flag: str = "--num_frames") -> None:
    """Raise UsageError, with what to change, when so long windows cannot overlap by so many frames on either side."""
    if not 0 <= 2 * overlap < window:
        raise UsageError(
            f"windows of {window} frames cannot overlap by {overlap} on either side:"
            f" {flag} must be at least {2 * overlap + 1}, or --overlap at most {max((window - 1) // 2, 0)}"
        )


def output_bytes(height: int, width: int, scale: int, window: int, sample: int, encoded: bool) -> int:
    """Return the bytes held in large pictures: one window's result, the queue, and what the encoder holds."""
    pixels = height * width * scale * scale
    return int(pixels * sample * (3 * (window + QUEUED) + (1.5 * ENCODER_FRAMES if encoded else 0)))


def _candidates(padded: tuple[int, int], limits: Limits) -> Iterator[tuple[int, int]]:
    """Yield tile sizes from the whole picture downwards: the longer side is cut first, into ever more parts."""
    tile = padded
    while True:
        yield tile
        smallest = max(SMALLEST_TILE, limits.padded(2 * TILE_OVERLAP + 1))
        height, width = tile
        longer = 0 if height > width else 1
        side = (height, width)[longer]
        if side <= smallest:
            return
        count = len(spans(padded[longer], side, TILE_OVERLAP if side < padded[longer] else 0)) + 1
        # the smallest side with which `count` tiles still cover the picture
        shorter = -(-(padded[longer] - 2 * TILE_OVERLAP) // count) + 2 * TILE_OVERLAP
        shorter = max(limits.padded(shorter), smallest)
        if shorter >= side:
            return
        tile = (shorter, width) if longer == 0 else (height, shorter)
