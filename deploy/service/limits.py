"""What the service takes, and how long it keeps it. Shared by the server and its worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ppvsr.errors import UsageError

if TYPE_CHECKING:
    from ppvsr.video.frames import VideoInfo


@dataclass(frozen=True)
class Limits:
    """What one job, and all of them, may use.

    upload: bytes of a film.  pixels: of one of its frames.  duration: seconds of film.  work: seconds for a job.
    stall: seconds between two parts of an upload.  waiting: jobs in the queue, uploads in progress included.
    keep: seconds that a finished job and its result stay.  kept: finished jobs that stay at most.
    """

    upload: int = 2**30
    pixels: int = 1280 * 720
    duration: int = 300
    work: int = 3600
    stall: int = 30
    waiting: int = 8
    keep: int = 3600
    kept: int = 100

    def check_film(self, info: VideoInfo) -> None:
        """Raise UsageError, with what to send instead, when a film is too large or too long by its header."""
        if info.width * info.height > self.pixels:
            raise UsageError(
                f"frames of {info.width}x{info.height} are more than {self.pixels} pixels; send a smaller film"
            )
        seconds = info.duration or (info.frames / info.rate if info.frames else None)
        if seconds and seconds > self.duration:
            raise UsageError(f"the film takes {float(seconds):.1f} s, more than {self.duration} s; send a part of it")

    def check_progress(self, info: VideoInfo, done: int) -> None:
        """Raise UsageError when more frames came than so long a film can have: headers may lie."""
        if done > self.duration * info.rate + 1:
            raise UsageError(f"the film goes on after {self.duration} s, whatever its header says; send a part of it")
