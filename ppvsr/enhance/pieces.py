"""Cut a stream of frames into pieces that are enhanced independently of each other, and never across a scene's cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from ppvsr.enhance.paired import paired
from ppvsr.enhance.pipeline import Enhance
from ppvsr.video.frames import Frame

LONGEST_REST = 16  # frames looked at beyond a piece's end, at most: so many are held


def pieces(frames: Iterable[tuple[Frame, bool]], *, size: int, context: int) -> Iterator[Piece]:
    """Yield the pieces of a film, in order; every frame is kept by exactly one of them.

    frames: each with whether it is the first after a cut.  size: frames kept by a piece, at least 1.  context: frames
    of the same scene before and after those, that the piece has, too, but does not keep.

    A piece keeps `size` frames, or fewer where the scene ends. When the scene ends within `size` // 4 frames more (16
    at most), the piece keeps them, too, so that no scene leaves a rest too short to be worth its context. So the pieces
    depend on nothing but the frames, the cuts, `size` and `context`.

    Frames are pulled one by one as the piece is iterated; 2 * context + 20 of them are held at most. What the source
    raises comes out of the piece that pulled, or of asking for the next one: it pulls what its predecessor left.
    Raises ValueError for an impossible size or context.
    """
    if size < 1 or context < 0:
        raise ValueError(f"pieces of {size} frames with {context} of context: there must be 1 and 0 at least")
    return _pieces(_Ahead(iter(frames)), size, context)


class Piece:
    """A run of frames of one scene: iterate it once, for (frame, whether to keep its result).

    number: of the piece, from 0.
    """

    def __init__(self, number: int, frames: Iterator[tuple[Frame, bool]]) -> None:
        self.number = number
        self._frames = frames

    def __iter__(self) -> Iterator[tuple[Frame, bool]]:
        """Go on where the last iteration stopped."""
        return self

    def __next__(self) -> tuple[Frame, bool]:
        # Not the generator itself: whoever closes that would take the frames from the pieces that follow.
        return next(self._frames)


def run(piece: Iterable[tuple[Frame, bool]], enhance: Enhance) -> Iterator[Frame]:
    """Enhance a piece as a clip of its own, and yield the results of the frames that are kept."""
    for result, kept in paired(piece, enhance):
        if kept:
            yield result


class _Ahead:
    """The frames still to come; those already pulled are held, and only the last of them may follow a cut."""

    def __init__(self, frames: Iterator[tuple[Frame, bool]]) -> None:
        self._frames = frames
        self._held: deque[tuple[Frame, bool]] = deque()

    def more(self) -> bool:
        """Whether there is another frame, in whatever scene."""
        self._pull(1)
        return bool(self._held)

    def follow(self, count: int) -> int:
        """How many frames there are before the next cut, as far as `count` frames show."""
        self._pull(count)
        return min(len(self._held) - (bool(self._held) and self._held[-1][1]), count)

    def look(self, count: int) -> list[Frame]:
        """Return the frames before the next cut, `count` at most; they stay where they are."""
        return [frame for frame, _ in islice(self._held, self.follow(count))]

    def take(self, count: int) -> Iterator[Frame]:
        """Remove the next frame, whether it follows a cut or not, and those before the next cut; `count` at most."""
        for place in range(count):
            if place and not self.follow(1):
                return
            self._pull(1)
            yield self._held.popleft()[0]

    def _pull(self, count: int) -> None:
        """Hold `count` frames, or as many as there are up to a cut or the end."""
        while len(self._held) < count and not (self._held and self._held[-1][1]):
            item = next(self._frames, None)
            if item is None:
                return
            self._held.append(item)


def _pieces(ahead: _Ahead, size: int, context: int) -> Iterator[Piece]:
    before: deque[Frame] = deque(maxlen=context)  # the last frames of the present scene
    number = 0
    while ahead.more():
        piece = Piece(number, _frames(ahead, before, size, context))
        yield piece
        deque(piece, maxlen=0)
        number += 1


def _frames(ahead: _Ahead, before: deque[Frame], size: int, context: int) -> Iterator[tuple[Frame, bool]]:
    """Yield one piece. `before` holds its leading context, and at the end that of the next piece."""
    yield from [(frame, False) for frame in before]
    for frame in _kept(ahead, size):
        before.append(frame)
        yield frame, True
    yield from [(frame, False) for frame in ahead.look(context)]
    if not ahead.follow(1):
        before.clear()


def _kept(ahead: _Ahead, size: int) -> Iterator[Frame]:
    yield from ahead.take(size)
    most = min(size // 4, LONGEST_REST)
    rest = ahead.follow(most + 1)
    if 0 < rest <= most:
        yield from ahead.take(rest)
