"""Segments of a video as the encoder gave them, and the times of all their packets."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.packet import PacketSideData, packet_sidedata_type_from_literal
from numpy.typing import NDArray

from ppvsr.errors import VideoError
from ppvsr.system.files import sync
from ppvsr.video.encoder import Encoding, PictureEncoder
from ppvsr.video.frames import Frame, VideoInfo

# ---- Segments of a film: packets of a part of it in a file of their own, exactly as the encoder gave them.
# A format of our own, because no container holds the packets of every encoder unchanged: after a line that names it, a
# head in JSON, and then, for each packet in the order of decoding, its numbers, its bytes and its side data.

MAGIC = b"ppvsr segment 1\n"
SIZE = struct.Struct("<I")
RECORD = struct.Struct("<qqI?B")  # pts, duration, bytes, key frame, pieces of side data
SIDE = struct.Struct("<BI")
# Notes of the encoder to the caller, which no file keeps.
TALK = {"quality_stats", "cpb_properties"}


class SegmentWriter:
    """Encodes frames into a segment's file; nothing is opened before the first frame.

    path: of the segment.  target: of the film, for messages.  info: of the source.
    frames: so far.

    Memory is bounded.  Raises UsageError for encoders that refuse, VideoError and OSError for what goes wrong underway.
    """

    def __init__(self, path: Path, target: Path, info: VideoInfo, *, container: str, encoding: Encoding):
        self._path = path
        self._target = target
        self._settings = (encoding, container, info)
        self._file: BinaryIO | None = None
        self._places: dict[int, int] = {}  # durations of the frames that are in the encoder
        self._packets = 0
        self.frames = 0

    def write(self, frame: Frame) -> None:
        """Append one frame, (h, w, 3) of the first one's size; times must increase."""
        if self._file is None:
            self._encoder = PictureEncoder(*self._settings, (frame.image.shape[1], frame.image.shape[0]))
            self._file = self._path.open("wb")
            head = json.dumps(self._encoder.head).encode()
            self._file.write(MAGIC + SIZE.pack(len(head)) + head)
        pts, duration, packets = self._encoder.encode(frame)
        self._places[pts] = duration
        self.frames += 1
        self._store(self._file, packets)

    def finish(self) -> None:
        """Get the last packets out of the encoder, bring the file to the disk and see that each frame is in it."""
        if self._file is None:
            raise VideoError(f"{self._target}: not one frame was written")
        self._store(self._file, self._encoder.flush())
        self._file.close()
        sync(self._path)
        if self._places or self._packets != self.frames:
            raise VideoError(f"{self._target}: {self._packets} of {self.frames} frames came out of the encoder")

    def close(self) -> None:
        """Let go of file and encoder, also after a failure."""
        if self._file is not None:
            with suppress(OSError):  # what is still in memory does not fit on the disk; the file is not kept anyway
                self._file.close()
            self._encoder.close()

    def _store(self, file: BinaryIO, packets: list[av.Packet]) -> None:
        for packet in packets:
            if not self._packets and not packet.is_keyframe:
                raise VideoError(f"{self._target}: the encoder does not begin with a key frame")
            duration = self._places.pop(packet.pts, None)
            if duration is None:
                raise VideoError(f"{self._target}: the encoder gave a picture that was not asked for, at {packet.pts}")
            sides = [each for each in packet.iter_sidedata() if each.data_type not in TALK]
            file.write(RECORD.pack(packet.pts, duration, packet.size, packet.is_keyframe, len(sides)))
            file.write(bytes(packet))
            for each in sides:
                file.write(SIDE.pack(packet_sidedata_type_from_literal(each.data_type), each.data_size))
                file.write(bytes(each))
            self._packets += 1


def read_head(path: Path) -> dict[str, Any]:
    """What the packets of a segment have in common: codec, size, pixel format, clock, the codec's own head."""
    with path.open("rb") as file:
        return _head(file)


def read_places(path: Path) -> list[tuple[int, int]]:
    """When a segment's packets are shown and for how long, in ticks, in the order of decoding."""
    places = []
    with path.open("rb") as file:
        _head(file)
        while record := file.read(RECORD.size):
            pts, duration, size, _, sides = RECORD.unpack(record)
            places.append((pts, duration))
            file.seek(size, os.SEEK_CUR)
            for _ in range(sides):
                file.seek(SIDE.unpack(file.read(SIDE.size))[1], os.SEEK_CUR)
    return places


def read_packets(path: Path) -> Iterator[av.Packet]:
    """A segment's packets, in the order of decoding; without dts, which is known only of the whole film."""
    with path.open("rb") as file:
        base = Fraction(*_head(file)["time_base"])
        while record := file.read(RECORD.size):
            pts, duration, size, key, sides = RECORD.unpack(record)
            packet = av.Packet(file.read(size))
            packet.pts, packet.duration, packet.time_base, packet.is_keyframe = pts, duration, base, key
            for _ in range(sides):
                kind, length = SIDE.unpack(file.read(SIDE.size))
                side = PacketSideData(kind, length)  # type: ignore[call-arg]
                side.update(file.read(length))
                side.to_packet(packet)
            yield packet


def _head(file: BinaryIO) -> dict[str, Any]:
    if file.read(len(MAGIC)) != MAGIC:
        raise VideoError(f"{file.name}: is not a segment; --overwrite starts anew")
    return json.loads(file.read(SIZE.unpack(file.read(SIZE.size))[0]))


# ---- When the packets of a whole film are shown and decoded, worked out from its segments.

Ticks = NDArray[np.int64]


class Timeline:
    """(pts, dts, duration) of every packet, in ticks, in the order of decoding; 24 bytes a frame.

    A frame that would not come after the one before it, at a seam, is moved behind it.  Decoding precedes showing by as
    many pictures as the most reordered segment needs.
    lasting: the last duration says where the film ends, as in mp4, which stores distances of dts otherwise.
    stop: where the picture that is shown last ends.
    """

    def __init__(self, segments: Sequence[Path], *, lasting: bool):
        places = [np.array(read_places(each), np.int64).reshape(-1, 2) for each in segments]
        ranks = np.concatenate(list(_ranks([each[:, 0] for each in places])))
        together = np.concatenate(places)
        self._pts, self._durations = together.T
        shown = np.empty_like(self._pts)
        shown[ranks] = self._pts
        steps = np.arange(len(shown))
        shown = np.maximum.accumulate(shown - steps) + steps
        self._pts = shown[ranks]
        self._dts = _dts(shown, int((steps - ranks).max()))
        self.stop = int(shown[-1] + self._durations[np.argmax(self._pts)])
        if lasting:
            delay = self._pts[0] - self._dts[0]
            needed = min(self.stop - delay - self._dts[-1], self.stop - self._pts[-1])
            self._durations[-1] = max(self._durations[-1], needed)

    def __len__(self) -> int:
        return len(self._pts)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        for pts, dts, duration in zip(self._pts, self._dts, self._durations, strict=True):
            yield int(pts), int(dts), int(duration)


def _ranks(parts: Sequence[Ticks]) -> Iterator[Ticks]:
    """For each packet, how many pictures of the film are shown before it."""
    before = 0
    for part in parts:
        yield before + np.argsort(np.argsort(part, kind="stable"), kind="stable")
        before += len(part)


def _dts(shown: Ticks, depth: int) -> Ticks:
    """Times of decoding, increasing and nowhere after showing: the times of showing, `depth` pictures later."""
    early = shown[:depth] - (shown[depth] - shown[0])
    return np.concatenate([early, shown[: len(shown) - depth]])
