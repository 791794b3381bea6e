"""Ctrl-C and `kill` at a moment when the weights are whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from ppvsr.train.ranks import Ranks

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupts(AbstractContextManager["Interrupts"]):
    """While the `with` block runs, signals that come inside `held()` wait until `obey()`; others strike as always.

    A second signal inside `held()` strikes at once. What a signal does is up to the handlers found here, such as
    Python's own, which raises KeyboardInterrupt; signals without a Python handler are left alone, and so is
    everything outside the main thread.

    notice: called when a signal must wait, to say so.
    """

    def __init__(self, notice: Callable[[], None]) -> None:
        self._notice = notice
        self._depth = 0
        self._waiting: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
            self._before = {
                number: signal.getsignal(number) for number in numbers if callable(signal.getsignal(number))
            }
            for number in self._before:
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self, when: bool = True) -> Iterator[None]:
        """Let signals wait in this block, if `when`."""
        self._depth += when
        try:
            yield
        finally:
            self._depth -= when

    def obey(self, ranks: Ranks | None = None) -> None:
        """Do what a waiting signal wants; with several ranks, all of them when one of them has got one.

        A rank that left alone would leave the others waiting for its gradients. All ranks must call this together.
        """
        number, self._waiting = self._waiting, None
        if ranks is not None and ranks.world > 1:
            came = int(ranks.total(np.array([number is not None]))[0])
            number = signal.SIGINT if came and number is None else number
        if number is not None:
            self._before.get(number, signal.default_int_handler)(number, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._depth and self._waiting is None:
            self._waiting = number
            self._notice()
        else:
            self._waiting = None
            self._before[number](number, frame)
