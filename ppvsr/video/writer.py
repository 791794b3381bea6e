"""Films out of frames: encoded, with everything else the source had beside its pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av

from ppvsr.errors import VideoError
from ppvsr.video.color import FromRGB, encoded
from ppvsr.video.companions import Companions, cover
from ppvsr.video.containers import split
from ppvsr.video.encoder import MUXERS, Encoding, add_video, usage
from ppvsr.video.film import LENIENT, demux, exact, is_cover, open_film, reason, tick, url
from ppvsr.video.frames import Frame, Image, VideoInfo
from ppvsr.video.names import check_target, partial_path

# Facts about the old pictures and the old file that would be wrong of the new one.
STALE = {"encoder", "duration", "bps", "number_of_frames", "number_of_bytes", "major_brand", "minor_version",
         "compatible_brands", "vendor_id", "_statistics_tags", "_statistics_writing_app",
         "_statistics_writing_date_utc"}  # fmt: skip
# How Matroska attaches cover pictures, by codec.
COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
MILLI = 1000


class FilmWriter:
    """Encodes frames and copies the source's other streams, chapters and metadata around them.

    The film lies beside `target` under a hidden name until the `with` block ends well and the result has been checked:
    as many pictures as frames were written.  Otherwise nothing is left, and an older film of that name stays.

    Frames keep their times exactly (mkv and webm: to the millisecond, which is all they store), audio and subtitles
    their distance to them.  Rotation is written as the source has it, for the player to do.

    target: where the film shall be.  info: of the source.  container: "mp4", "mov", "mkv" or "webm".
    notes: what could not be kept.  Raises UsageError for a target that cannot be written and for encoders that refuse;
    VideoError for what goes wrong underway.
    """

    def __init__(self, target: Path, info: VideoInfo, *, container: str, encoding: Encoding | None = None):
        check_target(target, container)
        self._target = target
        self._partial = partial_path(target)
        self._info = info
        self._container = container
        self._encoding = encoding or Encoding()
        kept, lost = split(info, container)
        self._kept = {each.index: each for each in kept}
        self.notes = [f"{each} is left out: {container} cannot hold it" for each in lost]
        self._durations: dict[int, int] = {}
        self._companions: Companions | None = None
        self._copies: dict[int, av.stream.Stream] = {}
        self._refused: Counter[int] = Counter()
        self._written = 0
        self._pts = -1
        self._stop = 0  # where the last frame ends, in ticks
        self._delay: int | None = None  # by which decoding precedes showing, in ticks
        self._end = Fraction(0)

    def __enter__(self) -> FilmWriter:
        self._stack = ExitStack()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._speaking(), self._stack:
                if error is None:
                    self._finish()
        finally:
            self._partial.unlink(missing_ok=True)

    def write(self, frame: Frame) -> None:
        """Append one frame, (h, w, 3) of the first one's size; times must increase."""
        with self._speaking():
            if not self._written:
                self._open(frame.image)
            base = self._info.time_base
            picture = self._convert(frame.image)
            picture.time_base = base
            picture.pts = self._pts = max(round(frame.time / base), self._pts + 1)
            length = frame.duration or 1 / self._info.rate
            self._durations[picture.pts] = round(length / base)
            self._stop = picture.pts + round(length / base)
            self._end = frame.time + length
            self._written += 1
            self._mux(self._stream.encode(picture))

    def _open(self, image: Image) -> None:
        """Write the header; the first frame tells the size."""
        size = (image.shape[1], image.shape[0])
        self._output = av.open(
            url(self._partial),
            "w",
            format=MUXERS[self._container],
            container_options=muxer_options(self._container, self._info.time_base),
            **LENIENT,
        )
        self._stack.callback(self._close_quietly)
        self._stream = add_video(self._output, self._encoding, self._container, self._info, size)
        pix_fmt = self._stream.codec_context.pix_fmt
        self._convert = FromRGB(pix_fmt, encoded(self._info.color, self._info.height, pix_fmt))
        if self._info.container != "images":
            self._companions = self._stack.enter_context(Companions(self._info, list(self._kept)))
            self._announce(self._companions.container)
        with usage(self._stream):
            self._stream.codec_context.open()
        self._output.start_encoding()

    def _close_quietly(self) -> None:
        """Let go of the file after a failure, whose consequences are no news; after a success it is closed already."""
        with suppress(av.FFmpegError, OSError):
            self._output.close()

    def _announce(self, film: av.container.InputContainer) -> None:
        """Take over what the source says of itself, and its streams."""
        self._output.metadata.update(fresh(film.metadata))
        self._output.set_chapters(list(chapters(film, self._info.zero)))
        label(self._stream, film.streams[self._info.stream])
        for index, info in self._kept.items():
            source = film.streams[index]
            if self._container == "mkv" and is_cover(source) and info.codec in COVERS:
                self._output.add_attachment(*COVERS[info.codec], cover(self._info, index))
                continue
            self._copies[index] = self._output.add_stream_from_template(source, opaque=True)
            label(self._copies[index], source)

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            if packet.dts is None or packet.dts > packet.pts:
                packet.dts = packet.pts  # libx265 sometimes leaves it undefined in films of two frames
            if self._delay is None:
                self._delay = packet.pts - packet.dts
            if self._companions:
                self._copy(self._companions.until(packet.dts * tick(packet)))
            self._output.mux(packet)

    def _copy(self, packets: Iterable[av.Packet]) -> None:
        for packet in packets:
            index = packet.stream_index
            if index not in self._copies:  # attached in the header already
                continue
            packet.stream = self._copies[index]
            try:
                self._output.mux(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError):  # damaged sound must not cost the film
                self._refused[index] += 1

    def _finish(self) -> None:
        if not self._written:
            raise VideoError(f"{self._target}: not one frame was written")
        packets = self._stream.encode(None)
        for packet in packets[-1:]:
            if self._container in ("mp4", "mov") and packet.dts is not None:  # the last dts tells where the film ends
                delay = packets[0].pts - packets[0].dts if self._delay is None else self._delay
                needed = min(self._stop - delay - packet.dts, self._stop - packet.pts)
                self._durations[packet.pts] = max(self._durations.get(packet.pts, 0), needed)
        self._mux(packets)
        if self._companions:
            self._copy(self._companions.until(None) if self._info.whole else self._companions.rest(self._end))
        self._output.close()
        self._check()
        empty = self._companions.empty() if self._companions else []
        self.notes += [f"{self._kept[index]} is empty" for index in empty]
        self.notes += [f"{self._kept[index]}: {count} packets were refused" for index, count in self._refused.items()]
        os.replace(self._partial, self._target)

    def _check(self) -> None:
        """Look at the result as a player would."""
        with open_film(self._partial) as film:
            stream = film.streams.video[0]
            found = sum(packet.size > 0 for packet in demux(film, [stream]))
            aspect = exact(stream.sample_aspect_ratio) or 1
        if found != self._written:
            raise VideoError(f"{self._target}: {found} of {self._written} frames arrived in the file; it is not kept")
        if aspect != self._info.sample_aspect:
            shape = f"{self._info.sample_aspect.numerator}:{self._info.sample_aspect.denominator}"
            self.notes.append(f"{self._container} with {self._stream.name} cannot say that pixels are {shape}")

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{self._target}: cannot be written: {reason(error)}") from error


def label(copy: av.stream.Stream, source: av.stream.Stream) -> None:
    """Give a stream its source's disposition (default, forced, cover, ...) and metadata (language, title, ...)."""
    copy.disposition = source.disposition
    copy.metadata.update(fresh(source.metadata))


def fresh(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata that stays true."""
    return {key: value for key, value in metadata.items() if key.lower().split("-")[0] not in STALE}


def muxer_options(container: str, base: Fraction) -> dict[str, str]:
    """A clock for the whole film on which streams that start later than others do so exactly."""
    fine = base.denominator * (1 if base.denominator >= MILLI else MILLI)
    return {"movie_timescale": str(fine)} if MUXERS[container] in ("mp4", "mov") else {}


def chapters(film: av.container.InputContainer, zero: Fraction) -> Iterator[dict]:
    """The film's chapters on the clock of its frames."""
    for each in film.chapters():
        shift = round(zero / (exact(each["time_base"]) or 1))
        if each["end"] > shift:
            yield {**each, "start": max(0, each["start"] - shift), "end": each["end"] - shift}
