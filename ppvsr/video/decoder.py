"""What is missing from a film, told in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import av

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
