"""Pictures that a film should have shown and did not: which they are, told by the packets."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from fractions import Fraction
from heapq import heappop, heappush

import av

from ppvsr.video.film import tick

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
