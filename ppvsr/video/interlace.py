"""Interlaced films made progressive: one whole picture for every pair of fields, at the pair's own time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction

import av
import av.filter

# Only frames that say they are interlaced are touched.
FILTER = ("bwdif", "mode=send_frame:deint=interlaced")


class Deinterlacer:
    """Takes the combs out of a stream's interlaced frames.

    base: of the frames' timestamps.  used: whether there was an interlaced frame.
    """

    def __init__(self, base: Fraction):
        self.used = False
        self._base = base
        self._graph: av.filter.Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def __call__(self, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Yield the frames, one for one, with their times.

        Progressive films pass untouched and undelayed; from the first interlaced frame on, frames come one later.
        """
        for frame in frames:
            kind = frame.width, frame.height, frame.format.name
            if kind != self._kind:  # the picture changes its size
                yield from self._finish()
            if self._graph is None and frame.interlaced_frame:
                self._begin(*kind)
            if self._graph is None:
                yield frame
            else:
                self._graph.vpush(frame)
                yield from self._pull(self._graph)
        yield from self._finish()

    def _begin(self, width: int, height: int, name: str) -> None:
        graph = av.filter.Graph()
        source = graph.add_buffer(width=width, height=height, format=av.VideoFormat(name), time_base=self._base)
        graph.link_nodes(source, graph.add(*FILTER), graph.add("buffersink"))
        graph.configure()
        self._graph, self._kind, self.used = graph, (width, height, name), True

    def _pull(self, graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
        with suppress(av.error.BlockingIOError, av.error.EOFError):  # it wants more, or has no more
            while True:
                frame = graph.vpull()
                if frame.pts is not None:
                    frame.pts //= 2  # the filter counts half ticks, for those who want a picture per field
                frame.duration //= 2
                frame.time_base = self._base
                yield frame

    def _finish(self) -> Iterator[av.VideoFrame]:
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull(self._graph)
        self._graph = self._kind = None
