"""Work on a few items of a stream at once, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
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
