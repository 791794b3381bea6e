"""Results on the disk: work that can be stopped at any moment and gone on with, and what is written in one go."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import av

from ppvsr.errors import VideoError
from ppvsr.system.files import measure, remove, sync
from ppvsr.video.encoder import Encoding
from ppvsr.video.ffmpeg import reason
from ppvsr.video.frames import AGAIN, BICUBIC, Frame, FrameSink, VideoInfo
from ppvsr.video.images import ImageWriter, join_images
from ppvsr.video.muxer import FilmWriter
from ppvsr.video.segments import SegmentWriter
from ppvsr.video.workdir import (
    Entry,
    Ledger,
    abandon,
    begin,
    bring_back,
    check_target,
    holds_segments,
    name_of,
    occupied,
    partial_path,
    work_path,
)

# ---- Work on a film that can be stopped at any moment and gone on with: finished segments beside the target.


@contextmanager
def open_work(
    path: Path,
    info: VideoInfo,
    *,
    container: str,
    encoding: Encoding | None = None,
    identity: Mapping[str, Any],
    overwrite: bool = False,
) -> Iterator[Work]:
    """Begin the work for `path`, or go on with what an earlier run left in `<path>.ppvsr`; use it in `with`.

    path: the film, or the folder of pictures (container "png").  info: of the source.  identity: JSON values, nested at
    will, of everything that decides about the pictures; messages show the keys joined by dots.  overwrite: begin anew.

    When the block ends without `publish`, finished segments stay; without any, nothing stays.
    Raises UsageError for targets that cannot be written, for work that was begun with another identity, is damaged or
    goes on in another process; VideoError when the disk refuses.
    """
    check_target(path, container)
    with working_in(work_path(path), path, info, container, encoding or Encoding(), identity, overwrite) as work:
        yield work


@contextmanager
def working_in(
    folder: Path,
    path: Path,
    info: VideoInfo,
    container: str,
    encoding: Encoding,
    identity: Mapping[str, Any],
    overwrite: bool,
) -> Iterator[Work]:
    """Like `open_work`, in a folder of any name."""
    with occupied(folder):
        keep = False
        try:
            with speaking(path):
                keep = holds_segments(folder)
                bring_back(folder, path)
                ledger, lost = begin(folder, identity, overwrite)
            work = Work(folder, ledger, lost, path, info, container, encoding)
            try:
                yield work
            finally:
                keep = bool(work.finished)
        finally:
            if not keep:
                abandon(folder)


@contextmanager
def speaking(path: Path, finished: int = 0) -> Iterator[None]:
    """Turn what the disk or FFmpeg refuses into a line about `path`."""
    kept = f"; {finished} finished frames are kept, the same command (without --overwrite) goes on from there"
    rest = kept if finished else ""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: cannot be written: {reason(error)}{rest}") from error


class Work:
    """A film being made, segment by segment; `open_work` opens it.

    lost: frames that an earlier run finished and that are damaged now.  notes: after `publish`, what could not be kept.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        lost: int,
        path: Path,
        info: VideoInfo,
        container: str,
        encoding: Encoding,
    ):
        self._folder = folder
        self._ledger = ledger
        self._path = path
        self._info = info
        self._container = container
        self._encoding = encoding
        self.lost = lost
        self.notes: list[str] = []

    @property
    def finished(self) -> int:
        """How many frames lie in finished segments."""
        return self._ledger.frames

    @property
    def mended(self) -> Counter[str | None]:
        """How many frames of finished segments were mended, by kind; see `Frame`."""
        entries = self._ledger.entries.values()
        return Counter({AGAIN: sum(each.again for each in entries), BICUBIC: sum(each.bicubic for each in entries)})

    def has(self, number: int) -> bool:
        """Whether a segment is finished."""
        return number in self._ledger.entries

    @contextmanager
    def segment(self, number: int) -> Iterator[Segment]:
        """Give a sink for the frames of segment `number`; when the block ends well they are finished, on the disk.

        When it does not, nothing of this segment is left.  Raises UsageError for encoders that refuse, VideoError when
        the disk does, or when not every frame arrived.
        """
        unfinished, final = self._folder / f".{name_of(number)}.part", self._folder / name_of(number)
        segment = Segment(self, self._writer(unfinished))
        try:
            try:
                yield segment
                with self.speaking():
                    segment.writer.finish()
            finally:
                segment.writer.close()
            with self.speaking():
                self._enter(number, segment, unfinished, final)
        finally:
            remove(unfinished)

    def publish(self, frames: int | None = None) -> None:
        """Make the film, or the folder, of the finished segments, give it its name, and remove the work.

        Raises VideoError when there are no segments, when the disk refuses, and when the result lacks a frame; an older
        result stays then, and so do the segments.
        """
        segments = [self._folder / name_of(number) for number in range(len(self._ledger.entries))]
        if not segments:
            raise VideoError(f"{self._path}: not one frame was written")
        if missing := [int(each.name) for each in segments if not self.has(int(each.name))]:
            raise VideoError(f"{self._path}: segment {missing[0]} is missing")
        if frames is not None and frames != self.finished:
            raise VideoError(
                f"{self._path}: {self.finished} frames are finished of a film of {frames}: the source is read otherwise"
                " than by the run that began; --overwrite starts anew"
            )
        result = self._folder / "result.part"
        try:
            with self.speaking():
                remove(result)
                if self._container == "png":
                    join_images(result, segments, self._info)
                else:
                    film = FilmWriter(
                        result, self._path, self._info, container=self._container, encoding=self._encoding
                    )
                    film.join(segments)
                    self.notes += film.notes
                self._put(result)
        finally:
            remove(result)
        self._ledger = Ledger(self._ledger.identity)

    def speaking(self) -> AbstractContextManager[None]:
        """Say what the disk or FFmpeg refused, and what is left: nothing of work that nobody can go on with."""
        return speaking(self._path, self.finished if self._ledger.identity else 0)

    def _writer(self, path: Path) -> SegmentWriter | ImageWriter:
        if self._container == "png":
            return ImageWriter(path, self._path, self._info)
        return SegmentWriter(path, self._path, self._info, container=self._container, encoding=self._encoding)

    def _enter(self, number: int, segment: Segment, unfinished: Path, final: Path) -> None:
        """Give a complete segment its name, then let the ledger vouch for it."""
        size, digest = measure(unfinished)
        mended = segment.mended
        entry = Entry(number, segment.writer.frames, size, digest, mended[AGAIN], mended[BICUBIC])
        remove(final)
        os.replace(unfinished, final)
        ledger = self._ledger.with_entry(entry)
        try:
            ledger.write(self._folder)
        except BaseException:
            remove(final)  # makes room on a full disk
            raise
        self._ledger = ledger

    def _put(self, result: Path) -> None:
        """Let a complete result take the target's name."""
        sync(result)
        old = self._folder / "old"
        if self._container == "png" and self._path.exists():  # a folder takes the name of an empty one only
            os.replace(self._path, old)
        try:
            os.replace(result, self._path)
        except BaseException:
            if old.exists():
                os.replace(old, self._path)
            raise
        remove(old)
        sync(self._path.parent)


class Segment:
    """Takes the frames of one segment."""

    def __init__(self, work: Work, writer: SegmentWriter | ImageWriter):
        self._work = work
        self.writer = writer
        self.mended: Counter[str | None] = Counter()

    def write(self, frame: Frame) -> None:
        """Append one frame, (h, w, 3) of the first one's size; times must increase. Raises VideoError."""
        with self._work.speaking():
            self.writer.write(frame)
        self.mended[frame.mended] += 1


# ---- A film, or a folder of pictures, written in one go.


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


# ---- One door for everything that can be read, and one for everything that can be written.


def open_sink(target: Path, info: VideoInfo, *, container: str, encoding: Encoding | None = None) -> FrameSink:
    """Open the result of a source with `info` for writing in one go: a film, or a folder of images (container "png").

    `ppvsr.video.output.open_work` is for work that can be gone on with.
    """
    return OneSitting(target, info, container=container, encoding=encoding or Encoding())
