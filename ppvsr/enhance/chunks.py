"""Streams of frames: cut into pieces, run on threads, kept in order. Queues are bounded; errors reach the caller."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, suppress
from itertools import islice
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from ppvsr.video.frames import Frame

# ---- What enhances frames: a function from a stream to a stream, and several of them as one.

Enhance = Callable[[Iterable[Frame]], Iterator[Frame]]


def chained(enhancers: Sequence[Enhance]) -> Enhance:
    """Return the enhancers, one after the other, as one."""

    def enhance(frames: Iterable[Frame]) -> Iterator[Frame]:
        stream = iter(frames)
        for each in enhancers:
            stream = each(stream)
        return stream

    return enhance


# ---- Carry something beside every frame through a chain that only knows frames.

T = TypeVar("T")


def paired(items: Iterable[tuple[Frame, T]], chain: Enhance) -> Iterator[tuple[Frame, T]]:
    """Run `chain` over the frames, and yield every result with what stood beside its frame, one for one.

    As many of those wait as the chain holds frames back. Raises ValueError when the chain gives more or fewer frames
    than it was given: a film would be out of step with its sound.
    """
    waiting: deque[T] = deque()

    def frames() -> Iterator[Frame]:
        for frame, beside in items:
            waiting.append(beside)
            yield frame

    for result in chain(frames()):
        if not waiting:
            raise ValueError("the chain gave more frames than it was given")
        yield result, waiting.popleft()
    if waiting:
        raise ValueError(f"the chain gave {len(waiting)} frames less than it was given")


# ---- Work on a few items of a stream at once, in order.

R = TypeVar("R")

MOST = 4  # pictures at once: each is large


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """Yield `work(item)` for every item, in order, while threads work on up to `workers` items that follow.

    workers: None is as many as there are processors, and 4 at most. `items` are fetched in the caller's own thread;
    their errors and those of `work` are raised here. Closing the generator waits for what was begun.
    """
    workers = workers or min(os.cpu_count() or 1, MOST)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="in_order") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                del item  # the thread has it
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


# ---- Let decoding, the network and encoding overlap in time. Bounded queues; an error anywhere surfaces in the caller.

_END = object()


def _patiently(done: threading.Event) -> BaseException | None:
    """Wait until a thread is done, through every Ctrl-C, and return the last one: what it works on is closed next.

    (Not `Thread.join`: up to Python 3.12, an interrupted one takes the thread for ended.)
    """
    late: BaseException | None = None
    while not done.is_set():
        try:
            done.wait()
        except BaseException as error:
            late = error
    return late


def prefetch(items: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Yield `items` while a thread fetches up to `depth` of them ahead; its errors are raised here, in their place.

    Closing the generator, or an error in the caller, stops the thread before it returns.
    """
    box: queue.Queue[Any] = queue.Queue(depth)
    stop, done = threading.Event(), threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> None:
        while not stop.is_set():
            try:
                return box.put(item, timeout=0.1)
            except queue.Full:
                pass

    def fetch() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
        except BaseException as error:
            failure.append(error)
        finally:
            put(_END)
            done.set()

    thread = threading.Thread(target=fetch, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := box.get()) is not _END:
            yield item
        if failure:
            raise failure[0]
    finally:
        stop.set()
        late = _patiently(done)
        thread.join()
        if late:
            raise late


class Outbox(AbstractContextManager["Outbox[T]"], Generic[T]):
    """Hand items to `write` on a thread, at most `depth` behind; its errors are raised by `put` or at the end.

    When the `with` block fails, what still waits is dropped, so that the failure is not delayed by more work.
    """

    def __init__(self, write: Callable[[T], None], depth: int):
        self._write = write
        self._items: queue.Queue[Any] = queue.Queue(depth)
        self._failure: BaseException | None = None
        self._done, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Queue one item; waits while the queue is full. Raises what `write` raised for an earlier item."""
        if self._failure:
            raise self._failure
        self._items.put(item)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._failure is None:
            self._failure = error  # from here on the thread only drains
        self._closed.set()
        with suppress(queue.Full):
            self._items.put_nowait(_END)  # wakes the thread; one that is busy looks at `closed`
        late = _patiently(self._done)
        self._thread.join()
        if late:
            raise late
        if self._failure and error is None:
            raise self._failure

    def _run(self) -> None:
        while not (self._closed.is_set() and self._items.empty()):
            try:
                item = self._items.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is not _END and self._failure is None:  # after a failure keep draining, so that put() never blocks
                try:
                    self._write(item)
                except BaseException as error:
                    self._failure = error
        self._done.set()


# ---- Cut a stream of frames into pieces that are enhanced independently of each other, and never across a scene's cut.

LONGEST_REST = 16  # frames looked at beyond a piece's end, at most: so many are held


def pieces(frames: Iterable[tuple[Frame, bool]], *, size: int, context: int) -> Iterator[Piece]:
    """Yield the pieces of a film, in order; every frame is kept by exactly one of them.

    frames: each with whether it is the first after a cut.  size: frames kept by a piece, at least 1.  context: frames
    of the same scene before and after those, that the piece has, too, but does not keep.

    A piece keeps `size` frames, or fewer where the scene ends. When the scene ends within `size` // 4 frames more (16
    at most), the piece keeps them, too, so that no scene leaves a rest too short to be worth its context. So the pieces
    depend on nothing but the frames, the cuts, `size` and `context`.

    Frames are pulled one by one as the piece is iterated; 2 * context + 20 of them are held at most. What the source
    raises comes out of the piece that pulled, or of asking for the next one: it pulls what its predecessor left.
    Raises ValueError for an impossible size or context.
    """
    if size < 1 or context < 0:
        raise ValueError(f"pieces of {size} frames with {context} of context: there must be 1 and 0 at least")
    return _pieces(_Ahead(iter(frames)), size, context)


class Piece:
    """A run of frames of one scene: iterate it once, for (frame, whether to keep its result).

    number: of the piece, from 0.
    """

    def __init__(self, number: int, frames: Iterator[tuple[Frame, bool]]) -> None:
        self.number = number
        self._frames = frames

    def __iter__(self) -> Iterator[tuple[Frame, bool]]:
        """Go on where the last iteration stopped."""
        return self

    def __next__(self) -> tuple[Frame, bool]:
        # Not the generator itself: whoever closes that would take the frames from the pieces that follow.
        return next(self._frames)


def run(piece: Iterable[tuple[Frame, bool]], enhance: Enhance) -> Iterator[Frame]:
    """Enhance a piece as a clip of its own, and yield the results of the frames that are kept."""
    for result, kept in paired(piece, enhance):
        if kept:
            yield result


class _Ahead:
    """The frames still to come; those already pulled are held, and only the last of them may follow a cut."""

    def __init__(self, frames: Iterator[tuple[Frame, bool]]) -> None:
        self._frames = frames
        self._held: deque[tuple[Frame, bool]] = deque()

    def more(self) -> bool:
        """Whether there is another frame, in whatever scene."""
        self._pull(1)
        return bool(self._held)

    def follow(self, count: int) -> int:
        """How many frames there are before the next cut, as far as `count` frames show."""
        self._pull(count)
        return min(len(self._held) - (bool(self._held) and self._held[-1][1]), count)

    def look(self, count: int) -> list[Frame]:
        """Return the frames before the next cut, `count` at most; they stay where they are."""
        return [frame for frame, _ in islice(self._held, self.follow(count))]

    def take(self, count: int) -> Iterator[Frame]:
        """Remove the next frame, whether it follows a cut or not, and those before the next cut; `count` at most."""
        for place in range(count):
            if place and not self.follow(1):
                return
            self._pull(1)
            yield self._held.popleft()[0]

    def _pull(self, count: int) -> None:
        """Hold `count` frames, or as many as there are up to a cut or the end."""
        while len(self._held) < count and not (self._held and self._held[-1][1]):
            item = next(self._frames, None)
            if item is None:
                return
            self._held.append(item)


def _pieces(ahead: _Ahead, size: int, context: int) -> Iterator[Piece]:
    before: deque[Frame] = deque(maxlen=context)  # the last frames of the present scene
    number = 0
    while ahead.more():
        piece = Piece(number, _frames(ahead, before, size, context))
        yield piece
        deque(piece, maxlen=0)
        number += 1


def _frames(ahead: _Ahead, before: deque[Frame], size: int, context: int) -> Iterator[tuple[Frame, bool]]:
    """Yield one piece. `before` holds its leading context, and at the end that of the next piece."""
    yield from [(frame, False) for frame in before]
    for frame in _kept(ahead, size):
        before.append(frame)
        yield frame, True
    yield from [(frame, False) for frame in ahead.look(context)]
    if not ahead.follow(1):
        before.clear()


def _kept(ahead: _Ahead, size: int) -> Iterator[Frame]:
    yield from ahead.take(size)
    most = min(size // 4, LONGEST_REST)
    rest = ahead.follow(most + 1)
    if 0 < rest <= most:
        yield from ahead.take(rest)


# ---- Pieces of a film -> enhancer -> segments of the result, with decoding and encoding on threads of their own.

Mark = Callable[[Iterable[Frame]], Iterator[tuple[Frame, bool]]]

SMALL, LARGE = 8, 4  # frames that may wait between decoder and network, and between network and encoder


class Writing(Protocol):
    """Whatever takes frames."""

    def write(self, frame: Frame) -> None:
        """Append one frame."""


class Work(Protocol):
    """What is finished of a film, in segments, and a place for more of them."""

    def has(self, number: int) -> bool:
        """Whether a segment is finished."""

    def segment(self, number: int) -> AbstractContextManager[Writing]:
        """Give the segment to be written; it is finished when the block ends well."""


def produce(
    source: Iterable[Frame],
    mark: Mark,
    enhance: Enhance,
    work: Work,
    *,
    size: int,
    context: int,
    progress: Callable[[int], Any],
) -> int:
    """Move a film from `source` through the enhancer into the segments of `work`; return its number of frames.

    mark: tells which frames begin a scene.  size, context: of the pieces.  progress: called with the number of frames
    done so far.  Pieces whose segment is finished are read, because cuts and damage are found by reading, but not
    computed again. An error in any thread ends the run and is raised as itself.
    """
    count = 0
    with closing(prefetch(source, SMALL)) as decoded:
        for piece in pieces(mark(decoded), size=size, context=context):
            if work.has(piece.number):
                count += sum(kept for _, kept in piece)
                progress(count)
                continue
            with work.segment(piece.number) as sink, Outbox(sink.write, LARGE) as box:
                for frame in run(piece, enhance):
                    box.put(frame)
                    count += 1
                    progress(count)
    return count


def in_pieces(mark: Mark, enhance: Enhance, *, size: int, context: int) -> Enhance:
    """Return an enhancer that cuts whatever it is given into pieces, as `produce` does."""

    def whole(frames: Iterable[Frame]) -> Iterator[Frame]:
        for piece in pieces(mark(frames), size=size, context=context):
            yield from run(piece, enhance)

    return whole
