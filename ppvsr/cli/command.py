"""What all commands share: argument errors and failures are one line and an exit code, Ctrl-C leaves nothing behind."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from ppvsr.cli.progress import interruptible
from ppvsr.errors import ConfigError, DataError, PpvsrError, UsageError

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
