"""A film whose frames are asked for by number, for evaluation; nothing is kept on the disk, and one frame in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ppvsr.data.frames import Window, cut
from ppvsr.errors import DataError
from ppvsr.video.frames import Frame
from ppvsr.video.images import to_depth
from ppvsr.video.open import open_source

Pixels = NDArray[np.uint8]


class Reel(AbstractContextManager["Reel"]):
    """A film being read, 8 bits a sample; use it in `with`.

    Cheap in order, since the film is decoded only once for that; going back opens it again. It is decoded once before,
    to count its frames: what containers say is a claim.  limit: frames at most.
    Raises UsageError and VideoError for what cannot be read, DataError for a film that is damaged.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._path, self._limit = path, limit
        self._opened = ExitStack()
        self._frames: Iterator[Frame] = iter(())
        self._number = -1  # of the frame that is held
        self._held: Pixels = np.empty((0, 0, 3), np.uint8)
        with open_source(path, frames=limit) as film:
            self.count = sum(1 for _ in film)
            self.size = film.info.height, film.info.width
            if film.damage:
                raise DataError(f"{path}: is damaged, so its frames cannot be counted: {film.damage}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def frame(self, number: int) -> Pixels:
        """Return a frame, (h, w, 3)."""
        if self._number < 0 or number < self._number:
            self._opened.close()
            self._frames = iter(self._opened.enter_context(open_source(self._path, frames=self._limit)))
            self._number = -1
        while self._number < number:
            self._held = to_depth(next(self._frames).image, 8)  # type: ignore[assignment]
            self._number += 1
        return self._held


@dataclass(frozen=True)
class FilmFrames:
    """The frames of a reel as a clip, see `ppvsr.data.frames.Frames`.

    indices: which; None is all.  window: what to keep of each.
    """

    reel: Reel
    indices: tuple[int, ...] | None = None
    window: Window | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, h, w, 3)."""
        return (len(self), *(self.window[2:] if self.window else self.reel.size), 3)

    def __len__(self) -> int:
        return self.reel.count if self.indices is None else len(self.indices)

    def __getitem__(self, index: int) -> Pixels:
        frame = self.reel.frame(self._all()[index])
        return frame if self.window is None else cut(frame[None], self.window)[0]

    def take(self, indices: Sequence[int]) -> FilmFrames:
        """These frames in this order; nothing is read."""
        known = self._all()
        return replace(self, indices=tuple(known[index] for index in indices))

    def crop(self, top: int, left: int, height: int, width: int) -> FilmFrames:
        """A window of all frames; nothing is read."""
        first_row, first_column = self.window[:2] if self.window else (0, 0)
        return replace(self, window=(first_row + top, first_column + left, height, width))

    def array(self) -> Pixels:
        """All frames, (t, h, w, 3)."""
        return np.stack([self[index] for index in range(len(self))])

    def _all(self) -> Sequence[int]:
        return range(self.reel.count) if self.indices is None else self.indices
