"""What is done to enlarged frames before they are written: bicubic mixed in, another size, a split view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ppvsr.enhance.chunks import Enhance, in_order, paired
from ppvsr.errors import UsageError
from ppvsr.resize import resize
from ppvsr.video.frames import Frame, Image, VideoInfo

# ---- What is done to a network's pictures before they are written: mixing with bicubic, and another size.

STRIP = 8  # rows mixed at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Finish:
    """How large the result becomes, and how much of it is the network's.

    scale: of the source's sides; None is the network's.  height: in lines, the width follows.  blend: the network's
    share, the rest is bicubic.  Raises UsageError for values that contradict each other or cannot be.
    """

    scale: Fraction | None = None
    height: int | None = None
    blend: float = 1.0

    def __post_init__(self) -> None:
        if self.scale is not None and self.height is not None:
            raise UsageError(
                f"--scale {float(self.scale):g} and --height {self.height} exclude each other; give one of them"
            )
        if self.scale is not None and not self.scale > 0:
            raise UsageError(f"--scale {float(self.scale):g}: must be above 0, such as 2 or 1.5")
        if self.height is not None and self.height < 2:
            raise UsageError(f"--height {self.height}: must be at least 2")
        if not 0 <= self.blend <= 1:
            raise UsageError(f"--blend {self.blend:g}: must lie between 0 (bicubic alone) and 1 (the network alone)")

    def size(self, width: int, height: int, scale: int, *, turned: bool = False) -> tuple[int, int]:
        """Return (width, height) of the result for a source of `width` x `height` and networks of x `scale`.

        Sides that are asked for become even, as 4:2:0 needs them, and keep the aspect; what the networks give is left
        alone.  turned: the film is shown on its side, so that its width is the height that people see, see `turned`.
        Raises UsageError for more than the networks give.
        """
        if turned:
            width, height = self.size(height, width, scale)[::-1]
            return width, height
        largest = width * scale, height * scale
        if self.scale is None and self.height is None:
            return largest
        factor = self.scale if self.height is None else Fraction(self.height, height)
        assert factor is not None
        if factor > scale:
            asked = f"--height {self.height}" if self.height else f"--scale {float(factor):g}"
            most = f"--height {largest[1]}" if self.height else f"--scale {scale}"
            raise UsageError(f"{asked}: the networks make {width}x{height} {scale} times larger, so {most} is the most")
        if factor == scale:
            return largest
        return _even(width * factor, largest[0]), _even(height * factor, largest[1])

    def notes(self, width: int, height: int, scale: int, *, turned: bool = False) -> list[str]:
        """Return lines for the user: where the result is not quite what was asked for."""
        made = self.size(width, height, scale, turned=turned)[0 if turned else 1]
        if self.height in (None, made):
            return []
        return [f"--height {self.height}: becomes {made}, because most encoders need even sides"]

    def wrap(self, chain: Enhance, width: int, height: int, scale: int, *, turned: bool = False) -> Enhance:
        """Return the chain with the finish behind it; the chain itself where there is nothing to do.

        width, height: of the source.  scale: of the chain. Raises UsageError like `size`.
        """
        size = self.size(width, height, scale, turned=turned)
        if self.blend == 1 and size == (width * scale, height * scale):
            return chain
        return Finisher(chain, size, self.blend)


class Finisher:
    """A chain, and behind it mixing and shrinking; a few pictures at once, on threads.

    size: (width, height) of the result.  blend: the chain's share, 0..1.
    Of the source, as many frames are held as the chain holds back, and only where they are mixed in.
    """

    def __init__(self, chain: Enhance, size: tuple[int, int], blend: float) -> None:
        self._chain = chain
        self._size = size
        self._blend = blend

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Enhance and finish a stream, one for one."""
        sources = ((frame, frame.image if self._blend < 1 else None) for frame in frames)
        return in_order(self._finish, paired(sources, self._chain))

    def _finish(self, pair: tuple[Frame, Image | None]) -> Frame:
        frame, source = pair
        image = frame.image
        if source is not None:
            image = mix(image, resize(source, *image.shape[:2]), self._blend)
        width, height = self._size
        return replace(frame, image=image if image.shape[:2] == (height, width) else resize(image, height, width))


def mix(image: Image, other: Image, share: float) -> Image:
    """Return share * image + (1 - share) * other, rounded half up; both (h, w, 3) of one type."""
    out = np.empty_like(image)
    for top in range(0, len(image), STRIP):
        rows = slice(top, top + STRIP)
        samples = image[rows] * np.float64(share)
        samples += other[rows] * np.float64(1 - share)
        samples += 0.5
        np.floor(samples, out=out[rows], casting="unsafe")
    return out


def turned(info: VideoInfo) -> bool:
    """Whether players show the film on its side: rotated by 90 or 270 degrees."""
    matrix = info.display_matrix
    return matrix is not None and matrix[0] == 0 and matrix[1] != 0


def _even(side: Fraction, largest: int) -> int:
    """The even number nearest to a side, the larger one of two; 2 at least, and not above `largest` where that is 2."""
    even = max(2 * int(side / 2 + Fraction(1, 2)), 2)
    return even if even <= largest else max(largest // 2 * 2, 1)


# ---- Bicubic and the network in one picture, side by side, with a line between them that moves.

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
