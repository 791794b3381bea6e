"""What a film is, to everybody who does not care where it lies: frames, facts, and the two ends of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One picture and its place in time.

    image: RGB (h, w, 3), uint8, or uint16 (full 0..65535) when the source has more than 8 bits.
    time, duration: seconds, exact; duration is None when the source does not say.
    """

    image: NDArray[np.uint8] | NDArray[np.uint16]
    time: Fraction
    duration: Fraction | None = None


@dataclass(frozen=True)
class Color:
    """How RGB became YUV, in FFmpeg's names ("bt709", "tv", ...); None where the source does not say."""

    matrix: str | None = None
    range: str | None = None
    primaries: str | None = None
    transfer: str | None = None


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a file: its index there, "video" | "audio" | "subtitle" | "data" | "attachment", and codec."""

    index: int
    kind: str
    codec: str
    detail: str = ""


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a film before its first frame is decoded.

    width, height: of the decoded picture (before rotation for display).  bits: per sample of the source.
    rate: average frames per second, exact.  time_base: of the source's timestamps.
    frames: what the container claims, None where it claims nothing; claims may be wrong.
    """

    width: int
    height: int
    bits: int
    rate: Fraction
    time_base: Fraction
    frames: int | None
    duration: Fraction | None
    container: str
    color: Color
    streams: tuple[StreamInfo, ...]


class FrameSource(Protocol):
    """A film being read; iterate once. `damage` is known afterwards: what was lost, in a sentence, or None."""

    info: VideoInfo
    damage: str | None

    def __iter__(self) -> Iterator[Frame]: ...


class FrameSink(AbstractContextManager, Protocol):
    """A film being written. It gets its final name when the `with` block ends well, and vanishes when it does not."""

    def write(self, frame: Frame) -> None:
        """Append one frame; times must increase."""
