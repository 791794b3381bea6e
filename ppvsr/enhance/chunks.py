"""What enhances frames: a function from a stream to a stream, and several of them as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ppvsr.video.frames import Frame

Enhance = Callable[[Iterable[Frame]], Iterator[Frame]]


def chained(enhancers: Sequence[Enhance]) -> Enhance:
    """Return the enhancers, one after the other, as one."""

    def enhance(frames: Iterable[Frame]) -> Iterator[Frame]:
        stream = iter(frames)
        for each in enhancers:
            stream = each(stream)
        return stream

    return enhance
