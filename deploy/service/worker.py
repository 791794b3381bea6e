"""The worker process: the only one that decodes uploads, so that a film that crashes it takes nothing else along.

    python -m deploy.service.worker

Orders come on stdin, reports go to stdout. It ends at SIGTERM, and when the server is gone.
"""

from __future__ import annotations

import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from deploy.service.limits import Limits
from deploy.service.messages import Failed, Finished, Order, Progress, Ready, Report
from ppvsr.enhance.video import enhance_video
from ppvsr.errors import PpvsrError
from ppvsr.video.frames import VideoInfo
from ppvsr.video.open import probe

OFTEN = 0.2  # seconds between two reports of progress
GRACE = 10.0  # seconds to clean up in when the server is gone


class Voice:
    """Where reports go: the stdout that the process began with. Whatever else is printed goes to stderr."""

    def __init__(self) -> None:
        self._stream: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, report: Report) -> None:
        """Send one report."""
        print(report.model_dump_json(), file=self._stream, flush=True)


class Listener:
    """A reporter that passes the progress on, and stops films that are longer than they said."""

    def __init__(self, voice: Voice, info: VideoInfo, limits: Limits) -> None:
        self._voice, self._info, self._limits = voice, info, limits
        self._told = 0.0

    def say(self, line: str) -> None:
        """Leave the line out: it is of no use to a client."""

    def progress(self, done: int, total: int | None) -> None:
        """Report it, if the last time was long enough ago. Raises UsageError for films without an end."""
        self._limits.check_progress(self._info, done)
        now = time.monotonic()
        if now >= self._told + OFTEN or done == total:
            self._told = now
            self._voice.say(Progress(done=done, total=total))


def main() -> None:
    """Take orders until the server is gone."""
    voice = Voice()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _sacrifice()
    with suppress(KeyboardInterrupt):
        voice.say(Ready())
        for order in _orders():
            voice.say(work(order, voice))


def work(order: Order, voice: Voice) -> Report:
    """Carry out an order; whatever goes wrong is a report of one line."""
    try:
        info = probe(order.source)
        order.limits.check_film(info)
        listener = Listener(voice, info, order.limits)
        result = enhance_video(order.source, order.folder, **order.options, reporter=listener)
        return Finished(film=result.path.name, frames=result.frames, damage=result.damage, remark=result.remark)
    except PpvsrError as error:
        line = str(error)
    except MemoryError:
        line = "out of memory; send a smaller film"
    except Exception as error:  # a bug of ours: one film fails, the service goes on
        line = f"unexpected {type(error).__name__}: {error}"
    short = line.replace(order.source, "the film").replace(order.folder, "the result")
    return Failed(line=" ".join(short.split()))


def _orders() -> Iterator[Order]:
    """Yield the orders; end the process when there will be no more, even in the middle of one."""
    lines: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=listen, name="orders", daemon=True).start()
    while True:
        yield Order.model_validate_json(lines.get())


def _sacrifice() -> None:
    """If memory is short, the system shall end this process and not the server; a crash shall leave no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    main()
