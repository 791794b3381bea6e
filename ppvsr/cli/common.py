"""What the user sees while the work goes on."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn

from tqdm import tqdm

BAR = (
    "{desc}{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} frames, {rate_noinv_fmt}, {elapsed} so far, {remaining} left"
)
KILLS = ("SIGTERM", "SIGHUP")  # signals that end the work as Ctrl-C does
OPEN_ENDED = "{n_fmt} frames, {rate_noinv_fmt}, {elapsed} so far"  # when the film does not say how long it is


class Console(AbstractContextManager["Console"]):
    """A reporter that prints lines to stdout and draws a progress bar on stderr."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal cannot show

    def say(self, line: str) -> None:
        """Print one line, above the bar."""
        with suppress(OSError):  # a closed pipe or a full disk there must not cost the film
            if self._bar is None:
                print(line, flush=True)
            else:
                tqdm.write(line)

    def progress(self, done: int, total: int | None) -> None:
        """Move the bar."""
        if sys.stderr is None:  # closed by the caller
            return
        if self._bar is None:
            steady = sys.stderr.isatty()
            self._bar = tqdm(
                total=total,
                unit=" frames",
                bar_format=BAR if total else OPEN_ENDED,
                dynamic_ncols=steady,
                mininterval=0.2 if steady else 10.0,  # a log file wants few lines
                smoothing=0.05,  # windows finish in bursts
            )
        self._bar.update(done - self._bar.n)

    def finish(self) -> None:
        """Leave the bar as it is; the next progress draws a new one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()


class Interrupts(AbstractContextManager["Interrupts"]):
    """Remembers Ctrl-C and its like while its `with` block runs.

    Python drops one that comes while an object is being deleted, such as a thread that has ended: the exception cannot
    leave a destructor. `check`, called now and then, raises it again.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in ("SIGINT", *KILLS) if hasattr(signal, name)]
            ours = [number for number in numbers if signal.getsignal(number) is signal.default_int_handler]
            self._before = {number: signal.signal(number, self._remember) for number in ours}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was one."""
        if self._asked:
            raise KeyboardInterrupt

    def _remember(self, number: int, frame: FrameType | None) -> NoReturn:
        self._asked = True
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Let `kill`, `timeout` and a closed terminal end the work as Ctrl-C does: nothing half-written stays behind."""
    names = [name for name in KILLS if hasattr(signal, name)]
    ours = threading.current_thread() is threading.main_thread()
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names if ours}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}  # nohup
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
