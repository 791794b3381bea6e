"""Films as a stream of frames, through PyAV: any container and codec that FFmpeg reads."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import fields, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from types import TracebackType

import av

from ppvsr.errors import UsageError, VideoError
from ppvsr.video.color import WEIGHTS, ToRGB, assume, bits, has_alpha, is_rgb, tags
from ppvsr.video.decoder import Decoder, promises
from ppvsr.video.ffmpeg import exact, film_stream, frame_rate, open_film, start_time, stream_infos, tick
from ppvsr.video.frames import Color, Frame, VideoInfo

# Side data of a frame that a player needs and that cannot be written with PyAV.
LOST_SIDE_DATA = {
    "MASTERING_DISPLAY_METADATA": "mastering display",
    "CONTENT_LIGHT_LEVEL": "content light level",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DOVI_METADATA": "Dolby Vision",
}
INTERLACED = "the film is interlaced; every pair of fields is made one progressive frame (bwdif)"


class FilmSource:
    """A film; iterate once, inside its `with` block.

    Frames keep their own timestamps, also with a variable frame rate.  A frame without one comes one frame after the
    previous; a frame whose time is not after the previous one's (damaged or careless files) is kept and moved to one
    tick after it: times always increase.  In the place of a lost frame the one before it comes again.  Interlaced films
    are made progressive.  Memory does not depend on the film's length.

    path: the file.  start: seconds after the film's beginning; the part begins with the first frame at or after it.
    frames: at most so many.  rate: frames per second of a film without timestamps, in place of the container's word.
    Raises UsageError (no such file, nothing at `start`) and VideoError (not a film, nothing can be decoded).
    """

    def __init__(
        self, path: Path, *, start: Fraction | None = None, frames: int | None = None, rate: Fraction | None = None
    ):
        self.damage: str | None = None
        self._path = path
        self._limit = frames
        self._container = open_film(path)
        try:
            self._open(start, rate)
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> FilmSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        width, height = self.info.width, self.info.height
        rgb = ToRGB(width, height, assume(self.info.color, height))
        changed = False
        for frame, time, duration in islice(self._pictures, self._limit):
            changed |= (frame.width, frame.height) != (width, height)
            yield Frame(rgb(frame), time - self.info.zero, duration)
        if changed:
            self.notes.append(f"the picture changes its size; every frame was brought to {width}x{height}")
        self._tell_interlaced()
        self.damage = self._damage.sentence(whole=self.info.whole)

    def _tell_interlaced(self) -> None:
        if self._decoder.was_interlaced and INTERLACED not in self.notes:
            self.notes.append(INTERLACED)

    def _open(self, start: Fraction | None, rate: Fraction | None) -> None:
        """Decode the first frame: only it knows the true size, format and colours."""
        stream = film_stream(self._container, self._path)
        clocked = rate is None or start_time(stream) is not None
        ignored = [f"rate {rate} is ignored: the film has its own timestamps"] if rate and clocked else []
        rate = frame_rate(stream, self._path) if clocked or rate is None else rate
        self._damage = promises(self._container, stream)
        decoder = Decoder(stream, rate, self._damage, clocked=clocked)
        sound = [time for each in self._container.streams.audio if (time := start_time(each)) is not None]
        if start is None:
            pictures = decoder.pictures()
        else:
            pictures = decoder.pictures_from(start + min([*sound, start_time(stream) or Fraction(0)]))
        first = next(pictures, None)
        if first is None:
            raise self._nothing(start)
        self._pictures = chain([first], pictures)
        # A whole number of ticks, so that the frames' times stay such.
        zero = first.time if start is not None else min([first.time, *sound]) // decoder.tick * decoder.tick
        whole = start is None and self._limit is None
        base = decoder.tick if first.frame.pts is not None else 1 / rate
        info = describe_film(self._container, stream, first.frame, self._path)
        self.info = replace(info, rate=rate, time_base=base, zero=zero, whole=whole)
        self.notes = [*ignored, *remarks(stream, first.frame, self.info)]
        self._decoder = decoder
        self._tell_interlaced()

    def _nothing(self, start: Fraction | None) -> Exception:
        if start is not None:
            return UsageError(f"{self._path}: has no frame at or after {float(start):g} s; choose an earlier start")
        why = self._damage.sentence(whole=True) or "its video stream is empty"
        return VideoError(f"{self._path}: not one frame could be decoded: {why}")


def describe_film(
    container: av.container.InputContainer, stream: av.VideoStream, frame: av.VideoFrame, path: Path
) -> VideoInfo:
    """Collect the facts from the container and from the first frame, which is believed first; no rate is measured."""
    said, header = tags(frame), tags(stream.codec_context)
    color = Color(**{each.name: getattr(said, each.name) or getattr(header, each.name) for each in fields(Color)})
    if is_rgb(frame.format.name):
        color = replace(color, matrix="gbr", range="pc")
    return VideoInfo(
        path=path,
        width=frame.width,
        height=frame.height,
        bits=bits(frame.format.name),
        rate=exact(stream.average_rate) or Fraction(25),
        time_base=tick(stream),
        frames=stream.frames or None,
        duration=Fraction(container.duration, av.time_base) if container.duration else None,
        container=container.format.name,
        color=color,
        streams=stream_infos(container),
        stream=stream.index,
        sample_aspect=exact(stream.sample_aspect_ratio) or Fraction(1),
        display_matrix=display_matrix(frame),
    )


def display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """The nine numbers that tell a player to rotate or mirror, or None."""
    for data in side_data(frame):
        if data.type.name == "DISPLAYMATRIX":
            return struct.unpack("=9i", bytes(data))
    return None


def remarks(stream: av.VideoStream, frame: av.VideoFrame, info: VideoInfo) -> list[str]:
    """What a user should know of a film before it is enhanced."""
    lost = [LOST_SIDE_DATA[data.type.name] for data in side_data(frame) if data.type.name in LOST_SIDE_DATA]
    matrix = info.color.matrix
    found = {
        "transparency is dropped": has_alpha(frame.format.name) or stream.metadata.get("alpha_mode") == "1",
        f"metadata that is not carried over: {', '.join(lost)}": lost,
        f"colour matrix {matrix} is read as {assume(info.color, info.height).matrix}": (
            matrix and matrix not in WEIGHTS and not is_rgb(frame.format.name)
        ),
    }
    return [line for line, applies in found.items() if applies]


def side_data(frame: av.VideoFrame) -> list[av.sidedata.sidedata.SideData]:
    """What else comes with a frame; PyAV 19 iterates over the kinds, older ones over the data."""
    return [each if hasattr(each, "type") else frame.side_data[each] for each in frame.side_data]
