"""Finished segments into a video, with the sound, subtitles, chapters and tags that the source had."""

from __future__ import annotations

import io
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType

import av

from ppvsr.errors import VideoError
from ppvsr.video.encoder import MUXERS, Encoding, add_video, head, usage
from ppvsr.video.ffmpeg import LENIENT, demux, exact, is_cover, open_film, tick, url
from ppvsr.video.frames import StreamInfo, VideoInfo
from ppvsr.video.segments import Timeline, read_head, read_packets

# ---- Which container holds which streams: asked of FFmpeg, not of a table of codecs.

# Streams that decide about the container; data tracks (camera metadata) come along where they fit.
DECIDE = {"audio", "subtitle", "attachment", "video"}
CHAPTER_TRACK = "bin_data"
# How far to look for a packet of every stream.
PROBED_PACKETS = 1000


def choose_container(info: VideoInfo, wanted: str = "auto") -> tuple[str, str | None]:
    """The container for the result, and a line for the user when it is not the expected one.

    wanted: "mp4", "mkv", "mov", "webm" or "png" (a folder of pictures) are taken as they are; "auto" is mp4 (mov for a
    mov) when every sound, subtitle and attachment of the source fits into it, else the one of mkv, mov that keeps most.
    """
    if wanted != "auto":
        return wanted, None
    if info.container == "images":
        return "mp4", None
    first = "mov" if info.path.suffix.lower() in (".mov", ".qt") else "mp4"
    kept = {name: [each for each in split(info, name)[0] if each.kind in DECIDE] for name in (first, "mkv", "mov")}
    best = max(kept, key=lambda name: len(kept[name]))
    rescued = [str(each) for each in kept[best] if each not in kept[first]]
    return best, f"written as {best}, because {first} cannot hold {', '.join(rescued)}" if rescued else None


def split(info: VideoInfo, container: str) -> tuple[list[StreamInfo], list[StreamInfo]]:
    """The film's other streams: those that a container can hold, and those it cannot."""
    others = [each for each in info.streams if each.index != info.stream]
    if not others:
        return [], []
    with open_film(info.path) as film:
        if film.chapters():  # they are carried as such, not as the track in which mp4 keeps them
            others = [each for each in others if each.codec != CHAPTER_TRACK]
        packets = first_packets(film, {each.index for each in others})
        held = [each for each in others if fits(film.streams[each.index], packets.get(each.index), MUXERS[container])]
    return held, [each for each in others if each not in held]


def first_packets(film: av.container.InputContainer, streams: set[int]) -> dict[int, av.Packet]:
    """The first packet of each stream that has one near the beginning of the film."""
    found: dict[int, av.Packet] = {}
    for packet in islice(demux(film), PROBED_PACKETS):
        if packet.size and packet.stream_index in streams:
            found.setdefault(packet.stream_index, packet)
        if len(found) == len(streams):
            break
    return found


def fits(stream: av.stream.Stream, packet: av.Packet | None, muxer: str) -> bool:
    """Whether a muxer writes a header with a copy of this stream, and takes its first packet."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as output:
            copy = output.add_stream_from_template(stream, opaque=True)
            output.start_encoding()
            if packet is not None:
                packet.stream = copy
                output.mux(packet)
    except (av.FFmpegError, ValueError):
        return False
    return True


# ---- The streams that travel with the pictures: sound, subtitles, attachments, data; copied as packets, in step.

# What mp4 stores between two subtitles; muxers write their own.
NO_TEXT = bytes(2)
# How far before a part of a film to begin reading, in seconds.
RUN_UP = Fraction(1, 4)


class Companions:
    """The packets of a film's other streams, in the order of the file, on the clock of its frames.

    The file is opened a second time and read in step with the pictures, so that packets do not pile up.

    info: of the film that is being read.  streams: the indices to copy.
    """

    def __init__(self, info: VideoInfo, streams: list[int]):
        self._info = info
        self._last: dict[int, int] = {}
        self._shown: dict[int, deque[av.Packet]] = {}
        self._open(streams)
        first = Fraction(self.container.start_time or 0, av.time_base)
        if not info.whole and info.zero - RUN_UP > first:
            with suppress(av.FFmpegError):  # then it is read from the beginning
                self.container.seek(int((info.zero - RUN_UP) * av.time_base))
            self._next = next(self._packets, None)
            if self._next is not None and begin(self._next) <= RUN_UP:
                return
            self.container.close()  # some containers jump too far
            self._last.clear()
            self._open(streams)
        self._next = next(self._packets, None)

    def _open(self, streams: list[int]) -> None:
        self.container = open_film(self._info.path)
        self.streams = [self.container.streams[index] for index in streams]
        for each in self.container.streams:
            if each.index not in streams:
                each.discard = av.stream.Discard.all
        self._packets = self._ready()

    def __enter__(self) -> Companions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    def until(self, time: Fraction | None) -> Iterator[av.Packet]:
        """Yield the packets due before `time`, in seconds; None: all that are left.

        In a part of a film, whose end is not known yet, subtitles come when they are over.
        """
        while self._next is not None and (time is None or begin(self._next) < time):
            packet, self._next = self._next, next(self._packets, None)
            if packet.stream.type == "subtitle" and not self._info.whole:
                self._shown.setdefault(packet.stream_index, deque()).append(packet)
            else:
                yield packet
        for shown in self._shown.values():
            while shown and (time is None or end(shown[0]) <= time):
                yield shown.popleft()

    def rest(self, time: Fraction) -> Iterator[av.Packet]:
        """Yield what is due before the end of a part, at `time`; subtitles that would outlast it end with it."""
        yield from self.until(time)
        for shown in self._shown.values():
            for packet in shown:
                packet.duration = min(packet.duration, int((time - begin(packet)) / tick(packet)))
                yield packet

    def empty(self) -> list[int]:
        """The indices of streams of which not one packet was found; known at the end."""
        return [each.index for each in self.streams if each.index not in self._last and each.type != "attachment"]

    def _ready(self) -> Iterator[av.Packet]:
        if not self.streams:
            return
        for packet in demux(self.container, self.streams):
            if packet.stream.name == "mov_text" and bytes(packet) == NO_TEXT:
                continue
            if is_cover(packet.stream) and packet.size:
                packet.pts = packet.dts = self._last[packet.stream_index] = 0
            elif not self._move(packet):
                continue
            yield packet

    def _move(self, packet: av.Packet) -> bool:
        """Bring a packet to the clock of the frames; False for those that have no place on it."""
        if packet.dts is None and packet.pts is None:
            return False
        shift = round(self._info.zero / tick(packet))
        pts = packet.dts if packet.pts is None else packet.pts
        dts = packet.pts if packet.dts is None else packet.dts
        if not self._info.whole and pts < shift:
            late = shift - pts
            if packet.stream.type == "subtitle" and packet.duration > late:  # still on screen
                packet.duration -= late
                pts = dts = shift
            elif packet.stream.type != "audio" or late > 2 * packet.duration:  # decoders of sound need a run-up
                return False
        # Muxers refuse packets that do not come one after the other.
        dts = max(dts - shift, self._last.get(packet.stream_index, dts - shift - 1) + 1)
        packet.pts, packet.dts = max(pts - shift, dts), dts
        self._last[packet.stream_index] = dts
        return True


def cover(info: VideoInfo, index: int) -> bytes:
    """The picture that stream `index` attaches to a film."""
    with open_film(info.path) as film:
        return next((bytes(packet) for packet in demux(film, [film.streams[index]]) if packet.size), b"")


def begin(packet: av.Packet) -> Fraction:
    """When a packet is due, in seconds."""
    return packet.dts * tick(packet)


def end(packet: av.Packet) -> Fraction:
    """When a packet is over, in seconds."""
    return begin(packet) + packet.duration * tick(packet)


# ---- Films out of finished segments, with everything else the source had beside its pictures.

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
