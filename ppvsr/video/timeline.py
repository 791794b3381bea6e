"""When the packets of a whole film are shown and decoded, worked out from its segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppvsr.video.segments import read_places

Ticks = NDArray[np.int64]


class Timeline:
    """(pts, dts, duration) of every packet, in ticks, in the order of decoding; 24 bytes a frame.

    A frame that would not come after the one before it, at a seam, is moved behind it.  Decoding precedes showing by as
    many pictures as the most reordered segment needs.
    lasting: the last duration says where the film ends, as in mp4, which stores distances of dts otherwise.
    stop: where the picture that is shown last ends.
    """

    def __init__(self, segments: Sequence[Path], *, lasting: bool):
        places = [np.array(read_places(each), np.int64).reshape(-1, 2) for each in segments]
        ranks = np.concatenate(list(_ranks([each[:, 0] for each in places])))
        together = np.concatenate(places)
        self._pts, self._durations = together.T
        shown = np.empty_like(self._pts)
        shown[ranks] = self._pts
        steps = np.arange(len(shown))
        shown = np.maximum.accumulate(shown - steps) + steps
        self._pts = shown[ranks]
        self._dts = _dts(shown, int((steps - ranks).max()))
        self.stop = int(shown[-1] + self._durations[np.argmax(self._pts)])
        if lasting:
            delay = self._pts[0] - self._dts[0]
            needed = min(self.stop - delay - self._dts[-1], self.stop - self._pts[-1])
            self._durations[-1] = max(self._durations[-1], needed)

    def __len__(self) -> int:
        return len(self._pts)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        for pts, dts, duration in zip(self._pts, self._dts, self._durations, strict=True):
            yield int(pts), int(dts), int(duration)


def _ranks(parts: Sequence[Ticks]) -> Iterator[Ticks]:
    """For each packet, how many pictures of the film are shown before it."""
    before = 0
    for part in parts:
        yield before + np.argsort(np.argsort(part, kind="stable"), kind="stable")
        before += len(part)


def _dts(shown: Ticks, depth: int) -> Ticks:
    """Times of decoding, increasing and nowhere after showing: the times of showing, `depth` pictures later."""
    early = shown[:depth] - (shown[depth] - shown[0])
    return np.concatenate([early, shown[: len(shown) - depth]])
