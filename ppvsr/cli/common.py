"""What all commands share: values as people write them, progress, and failures as one line and an exit code."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import threading
import traceback
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from fractions import Fraction
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from tqdm import tqdm

from ppvsr.errors import ConfigError, DataError, PpvsrError, UsageError

if TYPE_CHECKING:
    from ppvsr.video.frames import Moment

# ---- What the user sees while the work goes on.

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


# ---- What all commands share: argument errors and failures are one line and an exit code, Ctrl-C leaves nothing
# behind.

INTERRUPTED = 130  # what shells expect after Ctrl-C
LESS_MEMORY = "allow less with --memory, or shorten the windows with --num_frames"


class Parser(argparse.ArgumentParser):
    """Argument errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what the command line turns into one line and exit code 2."""
        raise UsageError(f"{message}; see --help")


def run_command(
    name: str,
    parser: Callable[[], argparse.ArgumentParser],
    body: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None,
    *,
    interrupted: str = "nothing was written",
    memory: str = LESS_MEMORY,
) -> int:
    """Parse the arguments, run the body and return its exit code; whatever goes wrong becomes one line on stderr.

    Exit codes: the body's, 1 (failed), 2 (wrong use), 130 (Ctrl-C).  interrupted, memory: what to say after Ctrl-C and
    when the memory is used up.
    """
    try:
        with interruptible():
            return body(parser().parse_args(argv))
    except (Exception, KeyboardInterrupt) as error:
        return fail(name, *explain(error, interrupted=interrupted, memory=memory))


def explain(
    error: BaseException, *, interrupted: str = "nothing was written", memory: str = LESS_MEMORY
) -> tuple[str, int]:
    """Return what to tell a user of an exception, in one line, and the exit code."""
    if isinstance(error, PpvsrError):
        return _line(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted; {interrupted}", INTERRUPTED
    if isinstance(error, OSError):  # a path that cannot even be looked at
        return f"{error.filename or 'input or output'}: {error.strerror or error}; choose another one", 2
    if isinstance(error, MemoryError):
        return f"out of memory: {memory}", 1
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package {error.name!r} is missing: pip install -r requirements.txt", 1
    if "PPVSR_DEBUG" in os.environ:  # a bug of ours: still one line, but the traceback can be had
        traceback.print_exception(error)
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"unexpected {type(error).__name__}: {first} (PPVSR_DEBUG=1 shows where)", 1


def fail(name: str, message: str, code: int) -> int:
    """Print the line on stderr, if there is one, and return the exit code."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"{name}: {message}", file=sys.stderr)
    return code


def _line(error: PpvsrError) -> str:
    """Return the message in one line; the problems of a config or of data keep a line each: each is a place to mend."""
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    return "\n  ".join(lines) if isinstance(error, (ConfigError, DataError)) else " ".join(lines)


# ---- Values on a command line, as people write them. Each function is the `type` of an argument.

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def natural(text: str) -> int:
    """Read 0, 1, 2, ..."""
    if not re.fullmatch(r"\d+", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def positive(text: str) -> int:
    """Read 1, 2, 3, ..."""
    if not re.fullmatch(r"0*[1-9]\d*", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def memory(text: str) -> int:
    """Read 6G, 800M, 1.5 GiB, ... as bytes (powers of 1024)."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if not match or not float(match[1]):
        raise ArgumentTypeError(f"{text!r} is not an amount of memory; write it like 6G or 800M")
    return int(float(match[1]) * UNITS[match[2].upper()])


def rate(text: str) -> Fraction:
    """Read 25, 23.976 or 24000/1001 as frames per second."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 1000:
        raise ArgumentTypeError(f"{text!r} is not a frame rate; write it like 25 or 24000/1001")
    return value


def moment(text: str) -> Fraction:
    """Read 90, 1:30 or 0:01:30.5 as seconds."""
    match = re.fullmatch(r"(?:(?:(\d{1,9}):)?(\d{1,9}):)?(\d{1,9}(?:\.\d{1,9})?)", text)
    if not match:
        raise ArgumentTypeError(f"{text!r} is not a time; write it like 90, 1:30 or 0:01:30.5")
    hours, minutes, seconds = match.groups(default="0")
    return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)


def excerpt(text: str) -> Moment:
    """Read 10+3, 00:10+3 or 1:02:03.5+2 as a time and the seconds from there on."""
    match = re.fullmatch(r"(.*)\+(\d{1,9}(?:\.\d{1,9})?)", text)
    if not match or not Fraction(match[2]):
        raise ArgumentTypeError(f"{text!r} is not a part of a film; write it like 00:10+3, 3 seconds from there on")
    from ppvsr.video.frames import Moment  # late: --help is quick

    return Moment(moment(match[1]), Fraction(match[2]))


def decimal(text: str) -> Fraction:
    """Read 2, 1.5 or 0.7."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?|\.\d{1,9}", text):
        raise ArgumentTypeError(f"{text!r} is not a number; write it like 2 or 0.7")
    return Fraction(text)
