"""Bicubic and the network in one picture, side by side, with a line between them that moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ppvsr.enhance.paired import paired
from ppvsr.enhance.pipeline import Enhance
from ppvsr.resize import resize
from ppvsr.video.frames import Frame, Image

MARGIN = Fraction(1, 4)  # of the width, on either side, that the line does not enter
LINE = 1280  # pixels of width for each pixel of half a line


@dataclass(frozen=True)
class Wipe:
    """Joins pictures along an upright line: bicubic left of it, ours right of it.

    In `seconds` the line goes from a quarter of the width to three quarters and back, at one speed, and then again, so
    that every place in between is seen both ways.
    """

    seconds: Fraction

    def __call__(self, bicubic: Image, ours: Image, time: Fraction) -> Image:
        """Join two pictures of one size, (h, w, 3); time: seconds since the first."""
        turn = 2 * time / self.seconds % 2
        return join(bicubic, ours, MARGIN + (1 - 2 * MARGIN) * min(turn, 2 - turn))

    def still(self, bicubic: Image, ours: Image) -> Image:
        """Join two pictures in the middle."""
        return join(bicubic, ours, Fraction(1, 2))


def preview(
    frames: Iterable[Frame], chain: Enhance, *, seconds: Fraction, still: Callable[[Image], Any]
) -> Iterator[Frame]:
    """Yield bicubic and what the chain makes of a short film, joined by `Wipe`, in the chain's size and one for one.

    seconds: of the film, about: the line goes there and back once.  still: is given one picture with the line in its
    middle: of the first frame after half the time, or of the last one if none comes so late.
    """
    wipe = Wipe(seconds)
    begin: Fraction | None = None
    pair: tuple[Image, Image] | None = None
    given = False
    for frame, source in paired(((frame, frame.image) for frame in frames), chain):
        begin = frame.time if begin is None else begin
        pair = resize(source, *frame.image.shape[:2]), frame.image
        if not given and 2 * (frame.time - begin) >= seconds:
            still(wipe.still(*pair))
            given = True
        yield replace(frame, image=wipe(*pair, frame.time - begin))
    if pair and not given:
        still(wipe.still(*pair))


def join(left: Image, right: Image, place: Fraction) -> Image:
    """Return `left` up to `place` (a part of the width) and `right` from there on, with a line between them.

    The line is white, with black edges, so that it is seen on any picture.
    """
    width = left.shape[1]
    column, half = round(place * width), max(width // LINE, 1)
    out = np.concatenate([left[:, :column], right[:, column:]], axis=1)
    out[:, max(column - 2 * half, 0) : column + 2 * half] = 0
    out[:, max(column - half, 0) : column + half] = np.iinfo(out.dtype).max
    return out
