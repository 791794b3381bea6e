"""Packets into frames with times, past whatever is broken: damage, missing frames, interlacing."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush
from itertools import chain
from typing import NamedTuple

import av
import av.filter

from ppvsr.video.ffmpeg import codec_name, demux, start_time, tick

# ---- What is missing from a film, told in one sentence.

# A container's duration is rounded, and sound and pictures rarely end together.
TOLERANCE = Fraction(1, 4)
# Formats that state their duration in the header; for others FFmpeg estimates it from what is there.
STATE_DURATION = {"matroska", "webm", "flv", "asf"}


@dataclass
class Damage:
    """Counts what a decoder meets on its way through a file.

    claimed: packets the header promises, None for containers that promise none.  packets: those found.
    duration: seconds the header promises; reached: how far the timestamps of all streams really go.
    bad_packets, bad_frames: could not be decoded, or only with errors.  repeated:
    pictures that were lost, and in whose place the one before them is shown again.
    failures: FFmpeg's words when the file itself could not be read further.
    """

    claimed: int | None = None
    duration: Fraction | None = None
    packets: int = 0
    reached: Fraction = Fraction(0)
    bad_packets: int = 0
    bad_frames: int = 0
    repeated: int = 0
    failures: list[str] = field(default_factory=list)

    def reach(self, time: Fraction) -> None:
        """Note that a timestamp was seen."""
        self.reached = max(self.reached, time)

    def sentence(self, *, whole: bool) -> str | None:
        """Sum up, or None when nothing is wrong; what is missing can be judged only after a `whole` film."""
        return "; ".join([*(self._missing() if whole else ()), *self._bad()]) or None

    def _missing(self) -> list[str]:
        why = f"reading stopped ({self.failures[0]})" if self.failures else "the file is truncated"
        if self.claimed and self.packets < self.claimed:
            return [f"{self.claimed - self.packets} of {self.claimed} frames are missing: {why}"]
        if not self.claimed and self.duration and self.reached < self.duration - TOLERANCE:
            lost, of = float(self.duration - self.reached), float(self.duration)
            return [f"the last {lost:.1f} of {of:.1f} seconds are missing: {why}"]
        return [why] if self.failures else []

    def _bad(self) -> list[str]:
        count = max(self.bad_packets, self.bad_frames)
        found = {
            f"{many(count, 'packet')} could not be decoded cleanly": count,
            f"{many(self.repeated, 'frame')} lost, the one before is shown instead": self.repeated,
        }
        return [line for line, number in found.items() if number]


def many(count: int, what: str) -> str:
    """A number of things in words."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def promises(container: av.container.InputContainer, stream: av.VideoStream) -> Damage:
    """Start counting with what the header says.

    Edit lists hide samples from the demuxer, which removes them from its index, so the index limits the claim of the
    formats that have a complete one.
    """
    formats = set(container.format.name.split(","))
    claimed = stream.frames or None
    if claimed and "mp4" in formats:
        claimed = min(claimed, len(stream.index_entries))
    stated = container.duration if formats & STATE_DURATION else None
    return Damage(claimed=claimed, duration=Fraction(stated, av.time_base) if stated else None)


# ---- Pictures that a film should have shown and did not: which they are, told by the packets.

# Codecs some of whose packets are not meant to be shown; of the others, every packet is a picture.
HIDING = {"vp8", "vp9"}
# What follows sooner than so many frames after a picture is its second field.
FIELD = Fraction(3, 4)
# Bytes between two packets that are no packet: more than any header, less than most pictures.
OVERHEAD = 256
# Formats that say in an index where every packet is, and those in which packet follows packet.
INDEXED = {"mp4", "avi"}
PACKED = {"matroska", "webm", "flv"}
# For how many packets of the film a sign of damage counts, and how many may have been waiting for an earlier picture.
REACH, REORDER = 3, 8
# How far the clock must jump, in frames, and how far it may, in seconds and in frames, to be taken for lost pictures:
# what jumps farther is a clock gone wrong, and nobody wants to see half an hour of one picture.
JUMP = Fraction(7, 4)
LONGEST, MOST = 60, 4000


class Overdue:
    """Sets the packets that a decoder was given against the pictures it gave for them.

    Decoders drop what they cannot decode, and do not always say so.  Times are in ticks of the stream.

    codec: FFmpeg's name of it.  frame: the usual distance of two pictures.
    """

    def __init__(self, codec: str, frame: Fraction):
        self._hides = codec in HIDING
        self._frame = frame
        self._due: list[int] = []
        self._broken: set[int] = set()
        self._guessed: list[int] = []
        self._known = False
        self._shown: int | None = None

    def expect(self, pts: int, *, broken: bool = False) -> None:
        """Note the time of a picture whose packet was seen; broken: the decoder refused it."""
        heappush(self._due, pts)
        if broken:
            self._broken.add(pts)

    def guess(self, times: Iterable[int]) -> None:
        """Note the times at which pictures would have come if a piece of the file were not missing."""
        for time in times:
            heappush(self._guessed, time)

    def before(self, pts: int | None) -> list[int]:
        """The times of the pictures that are missing before the next one, which is at `pts`; None: no more come.

        A picture at a time that was not expected proves that packets and pictures of this film cannot be compared.
        """
        passed = taken(self._due, pts)
        if pts is not None:
            self._known = bool(self._due) and self._due[0] == pts
            if self._known:
                heappop(self._due)
        missing: list[int] = []
        for each in passed if self._known else ():
            before = missing[-1] if missing else self._shown
            if self._hides and each not in self._broken:
                continue
            if before is None or each - before > FIELD * self._frame:
                missing.append(each)
        self._broken.difference_update(passed)
        there = sorted(each for each in (self._shown, pts, *passed) if each is not None)
        for guess in taken(self._guessed, None if pts is None else pts + self._frame / 2):
            place = bisect(there, guess)
            if all(abs(guess - each) > self._frame / 2 for each in there[max(place - 1, 0) : place + 1]):
                missing.append(guess)
                there.insert(place, guess)
        missing = sorted(each for each in missing if self._shown is None or each > self._shown)
        self._shown = max((each for each in (self._shown, pts, *missing) if each is not None), default=None)
        return missing


def taken(heap: list[int], limit: Fraction | int | None) -> list[int]:
    """Take what is smaller than `limit` from a heap; all of it for None."""
    found = []
    while heap and (limit is None or heap[0] < limit):
        found.append(heappop(heap))
    return found


class Holes:
    """Notices where a piece of the file is gone: the clock jumps, and something else is wrong near that place.

    A jump alone is no damage where frames may last as long as they like.  Beside it there must be bytes that belong to
    no packet (Matroska, FLV), or a packet that cannot be decoded; in MPEG program streams, whose rate is constant, the
    jump is enough.  Formats with a complete index show the damage in the packets.

    stream: the pictures.  frame: the usual distance of two, in ticks.
    """

    def __init__(self, stream: av.VideoStream, frame: Fraction):
        formats = set(stream.container.format.name.split(","))
        self._indexed = bool(formats & INDEXED)
        self._packed = bool(formats & PACKED) and stream.metadata.get("alpha_mode") != "1"
        self._constant = "mpeg" in formats
        self._index = stream.index
        self._frame = frame
        self._longest = min(LONGEST / tick(stream) / frame, Fraction(MOST))
        self._begin = self._end = 0
        self._doubts = 0
        self._latest: int | None = None

    def doubt(self) -> None:
        """Hear that something was wrong with a packet."""
        self._doubts = REACH

    def before(self, packet: av.Packet) -> list[int]:
        """Look at the next packet of the file, of whatever stream; where pictures may be missing before it.

        Those that only come in another order are among them.
        """
        if self._packed and self._skips(packet):
            self.doubt()
        if packet.stream_index != self._index or packet.pts is None or self._indexed:
            return []
        gone: list[int] = []
        latest = packet.pts if self._latest is None else self._latest
        jump = (packet.pts - latest) / self._frame
        least = JUMP if self._doubts else 2 * JUMP
        if (self._doubts or self._constant) and least < jump < self._longest:
            gone = [latest + round(n * self._frame) for n in range(-REORDER, round(jump))]
        self._doubts = max(self._doubts - 1, 0)
        self._latest = max(packet.pts, latest)
        return gone

    def _skips(self, packet: av.Packet) -> bool:
        """Whether bytes were passed over before a packet; several packets of sound share one place."""
        if packet.pos is None or packet.pos < 0:
            return False
        if packet.pos == self._begin:
            self._end += packet.size
            return False
        skipped = packet.pos - self._end if self._end else 0
        self._begin, self._end = packet.pos, packet.pos + packet.size
        return skipped > OVERHEAD


# ---- Interlaced films made progressive: one whole picture for every pair of fields, at the pair's own time.

# Only frames that say they are interlaced are touched.
FILTER = ("bwdif", "mode=send_frame:deint=interlaced")


class Deinterlacer:
    """Takes the combs out of a stream's interlaced frames.

    base: of the frames' timestamps.  used: whether there was an interlaced frame.
    """

    def __init__(self, base: Fraction):
        self.used = False
        self._base = base
        self._graph: av.filter.Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def __call__(self, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Yield the frames, one for one, with their times.

        Progressive films pass untouched and undelayed; from the first interlaced frame on, frames come one later.
        """
        for frame in frames:
            kind = frame.width, frame.height, frame.format.name
            if kind != self._kind:  # the picture changes its size
                yield from self._finish()
            if self._graph is None and frame.interlaced_frame:
                self._begin(*kind)
            if self._graph is None:
                yield frame
            else:
                self._graph.vpush(frame)
                yield from self._pull(self._graph)
        yield from self._finish()

    def _begin(self, width: int, height: int, name: str) -> None:
        graph = av.filter.Graph()
        source = graph.add_buffer(width=width, height=height, format=av.VideoFormat(name), time_base=self._base)
        graph.link_nodes(source, graph.add(*FILTER), graph.add("buffersink"))
        graph.configure()
        self._graph, self._kind, self.used = graph, (width, height, name), True

    def _pull(self, graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
        with suppress(av.error.BlockingIOError, av.error.EOFError):  # it wants more, or has no more
            while True:
                frame = graph.vpull()
                if frame.pts is not None:
                    frame.pts //= 2  # the filter counts half ticks, for those who want a picture per field
                frame.duration //= 2
                frame.time_base = self._base
                yield frame

    def _finish(self) -> Iterator[av.VideoFrame]:
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull(self._graph)
        self._graph = self._kind = None


# ---- Packets into pictures with times, past whatever is broken.


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
