"""Packets into pictures with times, past whatever is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

import av

from ppvsr.video.damage import Damage
from ppvsr.video.film import codec_name, demux, start_time, tick
from ppvsr.video.gaps import Holes, Overdue
from ppvsr.video.interlace import Deinterlacer


class Picture(NamedTuple):
    """A decoded frame, its time and its duration in seconds.

    The duration lasts to the next frame; the last frame's is None unless the stream's word for it can be believed.
    """

    frame: av.VideoFrame
    time: Fraction
    duration: Fraction | None


# How far before the wanted time to jump, in seconds; containers without a good index land too late.
JUMPS = (0, 10)


class Decoder:
    """The pictures of one stream of an open film, in order.

    Times are the stream's own clock, in seconds, strictly increasing: a picture without a timestamp comes one frame
    after the previous one, a picture that is not after the previous one comes one tick after it.  Where pictures are
    lost, the one before them is shown again at each one's time.  Interlaced pictures are made progressive.

    clocked: False counts frames instead of using timestamps.  tick: the unit of the times, in seconds.
    """

    def __init__(self, stream: av.VideoStream, rate: Fraction, damage: Damage, *, clocked: bool = True):
        self._stream = stream
        self._container = stream.container
        self._damage = damage
        self._frame = 1 / rate
        self._clocked = clocked
        self._unit = tick(stream)
        self._progressive = Deinterlacer(self._unit)
        self.tick = self._unit if clocked else self._frame

    def pictures(self) -> Iterator[Picture]:
        """Decode from where the film stands to its end."""
        last: Picture | None = None
        proven = True
        frame = self._frame / self._unit
        self._holes, self._overdue = Holes(self._stream, frame), Overdue(codec_name(self._stream), frame)
        for frame, pts in self._complete(self._progressive(self._decoded())):
            time = self._time(pts, last.time if last else None)
            if last is not None:
                proven &= abs(last.time + (last.duration or 0) - time) <= self.tick
                yield last._replace(duration=time - last.time)
            last = Picture(frame, time, self._claim(frame))
        if last is not None:
            yield last if proven else last._replace(duration=self._rest(last.time))

    @property
    def was_interlaced(self) -> bool:
        """Whether pictures were made progressive; known for what has been decoded."""
        return self._progressive.used

    def _claim(self, frame: av.VideoFrame) -> Fraction | None:
        return frame.duration * self._unit if self._clocked and frame.duration else None

    def _rest(self, time: Fraction) -> Fraction | None:
        """From `time` to the end of the stream by its container's word."""
        begin, duration = start_time(self._stream), self._stream.duration
        rest = begin + duration * self._unit - time if begin is not None and duration else Fraction(0)
        return rest if rest > 0 else None

    def pictures_from(self, start: Fraction) -> Iterator[Picture]:
        """Decode from the first picture at or after `start`."""
        begin = start_time(self._stream)
        for jump in JUMPS if begin is not None else ():
            if self._seek(start - jump):
                pictures = self.pictures()
                first = next(pictures, None)
                if first is not None and first.time <= start:
                    return (each for each in chain([first], pictures) if each.time >= start)
        if begin is not None:
            self._seek(begin)
        return (each for each in self.pictures() if each.time >= start)

    def _seek(self, time: Fraction) -> bool:
        try:
            self._container.seek(int(time / self._unit), stream=self._stream)
        except (av.FFmpegError, OverflowError):
            return False
        return True

    def _time(self, pts: int | None, last: Fraction | None) -> Fraction:
        following = Fraction(0) if last is None else last + self._frame
        time = pts * self.tick if self._clocked and pts is not None else following
        return time if last is None or time > last else last + self.tick

    def _complete(self, frames: Iterable[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame, int | None]]:
        """The frames with their timestamps; where some are lost, the one before them stands in for each."""
        last: av.VideoFrame | None = None
        replaced: set[int | None] = set()
        for frame in chain(frames, [None]):
            lost = [] if frame is not None and frame.pts is None else self._overdue.before(frame.pts if frame else None)
            if last is not None:
                replaced.update(lost)
                self._damage.repeated += len(lost)
                yield from ((last, pts) for pts in lost)
            if frame is not None and frame.pts not in replaced:  # else it comes too late
                yield frame, frame.pts
            last = frame

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            broken = packet is not None and packet.is_corrupt
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError:
                broken, frames = True, []
            self._damage.bad_packets += broken
            if broken:
                self._holes.doubt()
            if packet is not None and packet.pts is not None and not packet.is_discard:
                self._overdue.expect(packet.pts, broken=broken and not frames)
            self._damage.bad_frames += sum(each.is_corrupt for each in frames)
            yield from frames

    def _packets(self) -> Iterator[av.Packet | None]:
        """The film's packets, at last None to flush; all streams are looked at to see how far the file goes."""
        begin = Fraction(self._container.start_time or 0, av.time_base)
        for packet in demux(self._container, failures=self._damage.failures):
            self._damage.reach(end(packet) - begin)
            self._overdue.guess(self._holes.before(packet))
            if packet.stream_index == self._stream.index and (packet.size or packet.dts is not None):
                self._damage.packets += 1
                if packet.size:  # an empty packet means "as before" and would end the decoder's work
                    yield packet
        yield None


def end(packet: av.Packet) -> Fraction:
    """Where a packet ends on its stream's clock, in seconds; 0 when it does not say."""
    return ((packet.pts or 0) + (packet.duration or 0)) * tick(packet)
