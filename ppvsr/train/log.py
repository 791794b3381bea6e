"""TensorBoard's event files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FLUSH_SECONDS = 30.0  # a flush waits for the disk


class Board:
    """One event file in `folder`. Raises ImportError without tensorboardX, OSError when the disk refuses.

    tensorboardX's SummaryWriter writes on a thread; when the disk is full that thread dies, and training would wait
    for it for ever. So its records are written here, in the open.

    first: events of an earlier session from this step on disappear from the charts.  time: of the events, in seconds.
    """

    def __init__(self, folder: Path, *, first: int, time: float) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._event = Event
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}")
        self._flushed = time
        self._writer.write_event(Event(step=first, wall_time=time, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, values: Mapping[str, float], *, time: float) -> None:
        """Add values by name, such as `train/loss`."""
        from tensorboardX.summary import scalar

        for name, value in values.items():
            self._writer.write_event(self._event(step=step, wall_time=time, summary=scalar(name, value)))
        if time - self._flushed >= FLUSH_SECONDS:
            self._flushed = time
            self._writer.flush()

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]], *, time: float) -> None:
        """Add pictures, (h, w, 3) RGB uint8, by name."""
        from tensorboardX.summary import image

        for name, picture in pictures.items():
            summary = image(name, picture, dataformats="HWC")
            self._writer.write_event(self._event(step=step, wall_time=time, summary=summary))

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
