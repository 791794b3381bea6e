"""A film, or a folder of pictures, written in one go."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from ppvsr.video.disk import remove
from ppvsr.video.encoder import Encoding
from ppvsr.video.frames import Frame, VideoInfo
from ppvsr.video.names import check_target, partial_path
from ppvsr.video.work import working_in


class OneSitting:
    """Writes frames; the target appears when the `with` block ends well, otherwise nothing is left.

    It is the work of a single segment, in a hidden folder, that nobody goes on with.  notes: what could not be kept.
    Raises UsageError for targets that cannot be written and for encoders that refuse; VideoError for what goes wrong
    underway, and when not one frame was written or not every frame arrived.
    """

    def __init__(self, target: Path, info: VideoInfo, *, container: str, encoding: Encoding):
        check_target(target, container)
        self._folder = partial_path(target)
        self._settings = (target, info, container, encoding)
        self.notes: list[str] = []

    def __enter__(self) -> OneSitting:
        with ExitStack() as stack:
            self._work = stack.enter_context(working_in(self._folder, *self._settings, identity={}, overwrite=True))
            stack.callback(remove, self._folder)  # only once it is ours, and while it is
            stack.push(self._publish)
            self._segment = stack.enter_context(self._work.segment(0))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _publish(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._work.publish()
            self.notes += self._work.notes

    def write(self, frame: Frame) -> None:
        """Append one frame, (h, w, 3) of the first one's size; times must increase. Raises VideoError."""
        self._segment.write(frame)
