"""The streams that travel with the pictures: sound, subtitles, attachments, data; copied as packets, in step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from types import TracebackType

import av

from ppvsr.video.film import demux, is_cover, open_film, tick
from ppvsr.video.frames import VideoInfo

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
