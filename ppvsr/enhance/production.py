"""Pieces of a film -> enhancer -> segments of the result, with decoding and encoding on threads of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from typing import Any, Protocol

from ppvsr.enhance.pieces import pieces, run
from ppvsr.enhance.pipeline import Enhance
from ppvsr.enhance.threads import Outbox, prefetch
from ppvsr.video.frames import Frame

Mark = Callable[[Iterable[Frame]], Iterator[tuple[Frame, bool]]]

SMALL, LARGE = 8, 4  # frames that may wait between decoder and network, and between network and encoder


class Writing(Protocol):
    """Whatever takes frames."""

    def write(self, frame: Frame) -> None:
        """Append one frame."""


class Work(Protocol):
    """What is finished of a film, in segments, and a place for more of them."""

    def has(self, number: int) -> bool:
        """Whether a segment is finished."""

    def segment(self, number: int) -> AbstractContextManager[Writing]:
        """Give the segment to be written; it is finished when the block ends well."""


def produce(
    source: Iterable[Frame],
    mark: Mark,
    enhance: Enhance,
    work: Work,
    *,
    size: int,
    context: int,
    progress: Callable[[int], Any],
) -> int:
    """Move a film from `source` through the enhancer into the segments of `work`; return its number of frames.

    mark: tells which frames begin a scene.  size, context: of the pieces.  progress: called with the number of frames
    done so far.  Pieces whose segment is finished are read, because cuts and damage are found by reading, but not
    computed again. An error in any thread ends the run and is raised as itself.
    """
    count = 0
    with closing(prefetch(source, SMALL)) as decoded:
        for piece in pieces(mark(decoded), size=size, context=context):
            if work.has(piece.number):
                count += sum(kept for _, kept in piece)
                progress(count)
                continue
            with work.segment(piece.number) as sink, Outbox(sink.write, LARGE) as box:
                for frame in run(piece, enhance):
                    box.put(frame)
                    count += 1
                    progress(count)
    return count


def in_pieces(mark: Mark, enhance: Enhance, *, size: int, context: int) -> Enhance:
    """Return an enhancer that cuts whatever it is given into pieces, as `produce` does."""

    def whole(frames: Iterable[Frame]) -> Iterator[Frame]:
        for piece in pieces(mark(frames), size=size, context=context):
            yield from run(piece, enhance)

    return whole
