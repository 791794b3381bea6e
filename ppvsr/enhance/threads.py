"""Let decoding, the network and encoding overlap in time. Bounded queues; an error anywhere surfaces in the caller."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
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
