"""Films decoded once, into a cache that samples are read from.

For each film the cache holds its frames in one file, `<name>-<place>-<state>.npy`, (t, h, w, 3) uint8 RGB, and beside
it a .json with what else is known. `place` stands for the film's path, `state` for its size and time of change: a film
that has changed is decoded anew, and what the cache held of it is deleted.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av

from ppvsr.errors import UsageError, VideoError
from ppvsr.video.color import tags
from ppvsr.video.frames import StreamInfo

# ---- Films decoded once, into a cache that samples are read from.
# For each film the cache holds its frames in one file, `<name>-<place>-<state>.npy`, (t, h, w, 3) uint8 RGB, and beside
# it a .json with what else is known. `place` stands for the film's path, `state` for its size and time of change: a
# film that has changed is decoded anew, and what the cache held of it is deleted.

SUFFIXES = {
    ".3g2", ".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".mxf", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv",
}  # fmt: skip


# ---- A film's file: how to open it, and what lies in it, before anything is decoded.

# Local files only, whatever a playlist inside says.
OPTIONS = {"protocol_whitelist": "file"}
# How texts begin that name other files, which could be anything: a pipe that never ends, somebody's secrets.
PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"<MPD", b"<CompositionPlaylist")
SANE_RATE = 300
PROBED_PACKETS = 100
# Tags in another encoding than UTF-8 are no reason to fail; from PyAV 19 on they never are.
LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


def url(path: Path) -> str:
    """The path as FFmpeg must be told it, so that no name is taken for a protocol, an option or a pattern."""
    return f"file:{path}"


def open_film(path: Path) -> av.container.InputContainer:
    """Open a film for reading; the caller closes it.

    Raises UsageError when there is no such file, VideoError when FFmpeg cannot read it, and for playlists.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise UsageError(f"{path}: {what}; give a film, a folder of images or a pattern such as frames/%08d.png")
    try:
        if is_playlist(path):
            raise VideoError(f"{path}: is a list of films, not a film; give one of the films that it names")
        return av.open(url(path), options=OPTIONS, **LENIENT)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path}: is not a film that FFmpeg can read: {reason(error)}") from error


def is_playlist(path: Path) -> bool:
    """Whether a file only names other files, as FFmpeg understands it."""
    with path.open("rb") as file:
        head = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(PLAYLISTS) or (head.startswith(b"<?xml") and any(each in head for each in PLAYLISTS))


def reason(error: Exception) -> str:
    """FFmpeg's words for what went wrong, without numbers and file names."""
    return str(getattr(error, "strerror", None) or error)


def film_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The stream that is the film itself: the best one that is not a cover picture."""
    moving = [each for each in container.streams.video if not is_cover(each)]
    if not moving:
        found = ", ".join(f"{each.type} ({codec_name(each)})" for each in container.streams) or "none"
        raise VideoError(f"{path}: holds no video stream (streams found: {found})")
    known = [each for each in moving if each.codec_context is not None]
    if not known:
        raise VideoError(f"{path}: its video is in a codec that this FFmpeg cannot decode")
    best = container.streams.best("video")
    return best if best in known else known[0]


def demux(
    film: av.container.InputContainer, streams: Sequence[av.stream.Stream] = (), failures: list[str] | None = None
) -> Iterator[av.Packet]:
    """The packets of a film, or of some of its streams, as far as it can be read; why no further goes to `failures`."""
    try:
        yield from film.demux(*streams)
    except IndexError:  # PyAV, at the very end of a film in which a stream turned up that the header did not announce
        return
    except (av.FFmpegError, OSError) as error:
        if failures is not None:
            failures.append(reason(error))


def is_cover(stream: av.stream.Stream) -> bool:
    """Whether a video stream is a single attached picture (cover art)."""
    return bool(int(stream.disposition) & int(av.stream.Disposition.attached_pic))


def codec_name(stream: av.stream.Stream) -> str:
    """The codec's name, "unknown" where FFmpeg has none for it."""
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else getattr(stream, "name", None) or "unknown"


def exact(value: Any) -> Fraction | None:
    """A Fraction from any of PyAV's rationals (their type differs between versions); None for none and for x/0."""
    if value is None or not int(value.denominator):
        return None
    return Fraction(int(value.numerator), int(value.denominator))


def tick(holder: Any) -> Fraction:
    """The time base of a stream or a packet, in seconds; a microsecond for those without one."""
    return exact(holder.time_base) or Fraction(1, av.time_base)


def start_time(stream: av.stream.Stream) -> Fraction | None:
    """When a stream begins by its container's word, in seconds."""
    return None if stream.start_time is None else stream.start_time * tick(stream)


def frame_rate(stream: av.VideoStream, path: Path) -> Fraction:
    """Average frames per second: the container's word where it can be true, else measured, else the codec's.

    Containers with a coarse clock and no rate are reported as 1000 frames per second and the like, and streams
    without any timestamps as 25, whatever the codec says.
    """
    average, codec = exact(stream.average_rate), exact(stream.guessed_rate)
    if average and average <= SANE_RATE and stream.start_time is not None:
        return average
    return measured_rate(path, stream.index) or codec or average or Fraction(25)


def measured_rate(path: Path, index: int) -> Fraction | None:
    """One over the median distance of the first timestamps; None without timestamps."""
    with open_film(path) as container:
        stream = container.streams[index]
        packets = islice(demux(container, [stream]), PROBED_PACKETS)
        times = sorted({packet.pts for packet in packets if packet.pts is not None})
        steps = [after - before for before, after in pairwise(times)]
        return 1 / (statistics.median_low(steps) * tick(stream)) if steps else None


def stream_infos(container: av.container.InputContainer) -> tuple[StreamInfo, ...]:
    """One StreamInfo per stream."""
    return tuple(
        StreamInfo(each.index, each.type or "unknown", codec_name(each), ", ".join(details(each)))
        for each in container.streams
    )


def details(stream: av.stream.Stream) -> Iterator[str]:
    """What a person wants to know of a stream, piece by piece."""
    if stream.codec_context is not None and stream.type in DETAILS:
        yield from DETAILS[stream.type](stream)
    if stream.duration:
        yield f"{float(stream.duration * tick(stream)):.3f} s"
    for key in ("language", "title"):
        if stream.metadata.get(key, "und") != "und":
            yield stream.metadata[key]
    if stream.metadata.get("filename"):
        yield stream.metadata["filename"]
    yield from (flag.name for flag in av.stream.Disposition if int(stream.disposition) & int(flag) and flag.name)


def video_details(stream: av.VideoStream) -> Iterator[str]:
    """Size, rate, pixel format, colours, pixel shape."""
    yield f"{stream.width}x{stream.height}"
    rate = exact(stream.average_rate)
    if rate:
        yield f"{float(rate):.6g} fps"
    if stream.pix_fmt:
        yield stream.pix_fmt
    color = tags(stream.codec_context)
    said = [each for each in (color.matrix, color.primaries, color.transfer, color.range) if each]
    yield "/".join(dict.fromkeys(said)) or "no colour tags"
    aspect = exact(stream.sample_aspect_ratio)
    if aspect and aspect != 1:
        yield f"pixels {aspect.numerator}:{aspect.denominator}"


def audio_details(stream: av.AudioStream) -> Iterator[str]:
    """Sampling rate and channels."""
    yield f"{stream.codec_context.sample_rate} Hz"
    yield f"{stream.codec_context.layout.name}"


DETAILS = {"video": video_details, "audio": audio_details}
