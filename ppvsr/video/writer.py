"""Films out of finished segments, with everything else the source had beside its pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path

import av

from ppvsr.errors import VideoError
from ppvsr.video.companions import Companions, cover
from ppvsr.video.containers import split
from ppvsr.video.encoder import MUXERS, Encoding, add_video, head, usage
from ppvsr.video.film import LENIENT, demux, exact, is_cover, open_film, tick, url
from ppvsr.video.frames import VideoInfo
from ppvsr.video.segments import read_head, read_packets
from ppvsr.video.timeline import Timeline

# Facts about the old pictures and the old file that would be wrong of the new one.
STALE = {"encoder", "duration", "bps", "number_of_frames", "number_of_bytes", "major_brand", "minor_version",
         "compatible_brands", "vendor_id", "_statistics_tags", "_statistics_writing_app",
         "_statistics_writing_date_utc"}  # fmt: skip
# How Matroska attaches cover pictures, by codec.
COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
MILLI = 1000


class FilmWriter:
    """Joins segments and copies the source's other streams, chapters and metadata around them; nothing is encoded.

    Frames keep their times exactly (mkv and webm: to the millisecond, which is all they store), audio and subtitles
    their distance to them.  Rotation is written as the source has it, for the player to do.

    path: where to write; what is left there after a failure is for the caller to remove.  target: the name it will
    get, for messages.  info: of the source.
    container: "mp4", "mov", "mkv" or "webm".  encoding: the one that the segments were made with.
    notes: what could not be kept.
    Raises VideoError when segments do not fit together; VideoError, OSError and FFmpeg's errors for the rest.
    """

    def __init__(self, path: Path, target: Path, info: VideoInfo, *, container: str, encoding: Encoding):
        self._path = path
        self._target = target
        self._info = info
        self._container = container
        self._encoding = encoding
        kept, lost = split(info, container)
        self._kept = {each.index: each for each in kept}
        self.notes = [f"{each} is left out: {container} cannot hold it" for each in lost]
        self._companions: Companions | None = None
        self._copies: dict[int, av.stream.Stream] = {}
        self._refused: Counter[int] = Counter()

    def join(self, segments: Sequence[Path]) -> None:
        """Write the film of these segments, in this order, and look at the result as a player would."""
        common = read_head(segments[0])
        timeline = Timeline(segments, lasting=self._container in ("mp4", "mov"))
        with ExitStack() as stack:
            self._open(stack, common)
            places = iter(timeline)
            for path in segments:
                if read_head(path) != common:
                    raise VideoError(f"{path}: was encoded otherwise than {segments[0].name}; --overwrite starts anew")
                for packet in read_packets(path):
                    packet.pts, packet.dts, packet.duration = next(places)
                    self._mux(packet)
            if self._companions:
                end = timeline.stop * Fraction(*common["time_base"])
                self._copy(self._companions.until(None) if self._info.whole else self._companions.rest(end))
            self._output.close()
            empty = self._companions.empty() if self._companions else []
        self.notes += [f"{self._kept[index]} is empty" for index in empty]
        self.notes += [f"{self._kept[index]}: {count} packets were refused" for index, count in self._refused.items()]
        self._check(len(timeline))

    def _open(self, stack: ExitStack, common: dict) -> None:
        """Write the header, for which an encoder is opened that says what those of the segments said."""
        self._output = av.open(
            url(self._path),
            "w",
            format=MUXERS[self._container],
            container_options=muxer_options(self._container, self._info.time_base),
            **LENIENT,
        )
        stack.callback(self._close_quietly)
        self._stream = add_video(self._output, self._encoding, self._container, self._info, tuple(common["size"]))
        if self._info.container != "images":
            self._companions = stack.enter_context(Companions(self._info, list(self._kept)))
            self._announce(self._companions.container)
        with usage(self._stream):
            self._stream.codec_context.open()
        if head(self._stream) != common:
            raise VideoError(f"{self._target}: finished segments come from another encoder; --overwrite starts anew")
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

    def _mux(self, packet: av.Packet) -> None:
        if self._companions:
            self._copy(self._companions.until(packet.dts * tick(packet)))
        packet.stream = self._stream
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

    def _check(self, frames: int) -> None:
        with open_film(self._path) as film:
            stream = film.streams.video[0]
            found = sum(packet.size > 0 for packet in demux(film, [stream]))
            aspect = exact(stream.sample_aspect_ratio) or 1
        if found != frames:
            raise VideoError(f"{self._target}: {found} of {frames} frames arrived in the file; it is not kept")
        if aspect != self._info.sample_aspect:
            shape = f"{self._info.sample_aspect.numerator}:{self._info.sample_aspect.denominator}"
            self.notes.append(f"{self._container} with {self._stream.name} cannot say that pixels are {shape}")


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
