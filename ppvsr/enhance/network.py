"""The baseline that every network must beat, with the same interface; needs neither weights nor Paddle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ppvsr.resize import resize
from ppvsr.video.frames import Frame


class BicubicEnhancer:
    """Frames in, frames `scale` times larger out, by MATLAB's bicubic."""

    def __init__(self, scale: int = 4) -> None:
        self.scale = scale

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Enlarge a stream, frame by frame."""
        for frame in frames:
            height, width = frame.image.shape[:2]
            yield replace(frame, image=resize(frame.image, height * self.scale, width * self.scale))
