"""Source -> enhancers -> sink, with decoding and encoding on threads of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from ppvsr.enhance.threads import Outbox, prefetch
from ppvsr.video.frames import Frame, FrameSink, FrameSource

Enhance = Callable[[Iterable[Frame]], Iterator[Frame]]

SMALL, LARGE = 8, 4  # frames that may wait between decoder and network, and between network and encoder


def transfer(source: FrameSource, enhancers: Sequence[Enhance], sink: FrameSink, progress: Callable[[int], Any]) -> int:
    """Move a film from `source` through the enhancers, in turn, into `sink`; return the number of frames.

    progress: called with the number of frames done so far. An error in any stage ends the run and is raised as itself.
    """
    count = 0
    with closing(prefetch(source, SMALL)) as decoded, Outbox(sink.write, LARGE) as box:
        stream: Iterator[Frame] = decoded
        for enhance in enhancers:
            stream = enhance(stream)
        for frame in stream:
            box.put(frame)
            count += 1
            progress(count)
    return count
