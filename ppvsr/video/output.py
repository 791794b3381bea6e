"""Work on a film that can be stopped at any moment and gone on with: finished segments beside the target."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import av

from ppvsr.errors import VideoError
from ppvsr.video.disk import measure, remove, sync
from ppvsr.video.encoder import Encoding
from ppvsr.video.film import reason
from ppvsr.video.frames import Frame, VideoInfo
from ppvsr.video.images import ImageWriter, join_images
from ppvsr.video.ledger import Entry, Ledger
from ppvsr.video.names import check_target, work_path
from ppvsr.video.remains import begin, bring_back, holds_segments, name_of
from ppvsr.video.segments import SegmentWriter
from ppvsr.video.workplace import abandon, occupied
from ppvsr.video.writer import FilmWriter


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
                self._enter(number, segment.writer, unfinished, final)
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

    def _enter(self, number: int, writer: SegmentWriter | ImageWriter, unfinished: Path, final: Path) -> None:
        """Give a complete segment its name, then let the ledger vouch for it."""
        size, digest = measure(unfinished)
        entry = Entry(number, writer.frames, size, digest)
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

    def write(self, frame: Frame) -> None:
        """Append one frame, (h, w, 3) of the first one's size; times must increase. Raises VideoError."""
        with self._work.speaking():
            self.writer.write(frame)
