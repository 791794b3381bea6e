"""What a video is, wherever it lies: frames, facts, and the two ends of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

# ---- What a film is, to everybody who does not care where it lies: frames, facts, and the two ends of a pipeline.

Image = NDArray[np.uint8] | NDArray[np.uint16]


AGAIN, BICUBIC = "again", "bicubic"  # how a frame was mended that came out of a network unlike its source


@dataclass(frozen=True)
class Frame:
    """One picture and its place in time.

    image: RGB (h, w, 3), uint8, or uint16 (full 0..65535) when the source has more than 8 bits.
    time, duration: seconds, exact; the film (or the part of it that is read) begins at 0, and its first frame may
    come later when the sound begins earlier.  duration is None when the source does not say.
    mended: AGAIN when it was computed again, BICUBIC when bicubic stands in for a network, else None.
    """

    image: Image
    time: Fraction
    duration: Fraction | None = None
    mended: str | None = None


def remark_on(mended: Mapping[str | None, int], frames: int) -> str | None:
    """Return a line about the frames of a video that were mended, counted by kind; None when there are none."""
    again, bicubic = mended.get(AGAIN, 0), mended.get(BICUBIC, 0)
    if not again and not bicubic:
        return None
    parts = [f"{again} were computed again with fewer frames at once"] if again else []
    parts += [f"bicubic stands in for {bicubic}, which stayed wrong"] if bicubic else []
    return (
        f"{again + bicubic} of {frames} frames came out of the network unlike their source: {', '.join(parts)};"
        " other weights (--weights) or fewer frames at once (--num_frames) may serve better"
    )


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

    def __str__(self) -> str:
        return f"stream {self.index} ({self.codec} {self.kind})"


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a film before it is read.

    path: the film, or the folder of its pictures.
    width, height: of the decoded picture (before rotation for display).  bits: per sample of the source.
    rate: average frames per second, exact.  time_base: of the source's timestamps.
    frames: what the container claims, None where it claims nothing; claims may be wrong.
    container: FFmpeg's names for the format ("mov,mp4,m4a,..."), or "images".  stream: index of the film's own stream.
    sample_aspect: width of a pixel divided by its height.
    display_matrix: nine numbers of FFmpeg's display matrix when a player has to rotate or mirror the picture.
    zero: where time 0 of the frames lies on the file's own clock, in seconds.  whole: whether all of it is read.
    names: of the pictures in a folder, without endings, one per frame; empty for films.
    """

    path: Path
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
    stream: int = 0
    sample_aspect: Fraction = Fraction(1)
    display_matrix: tuple[int, ...] | None = None
    zero: Fraction = Fraction(0)
    whole: bool = True
    names: tuple[str, ...] = ()


class FrameSource(AbstractContextManager, Protocol):
    """A film being read; iterate once, inside its `with` block.

    notes: lines for the user: what was assumed or left out.
    damage: known after the iteration: what was lost, in a sentence, or None.
    """

    info: VideoInfo
    notes: list[str]
    damage: str | None

    def __iter__(self) -> Iterator[Frame]: ...


class FrameSink(AbstractContextManager, Protocol):
    """A film being written. It gets its final name when the `with` block ends well, and vanishes when it does not."""

    notes: list[str]

    def write(self, frame: Frame) -> None:
        """Append one frame; times must increase."""


# ---- A short part of a film.


class Moment(NamedTuple):
    """So many seconds of a film from a time on, both exact."""

    start: Fraction
    seconds: Fraction
