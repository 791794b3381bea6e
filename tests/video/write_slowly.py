"""A run that tests kill: works on a small film in segments, and notes each segment that it begins in a side file."""

import os
import signal
import sys
import time
from pathlib import Path

from ppvsr.video.encoder import Encoding
from ppvsr.video.open import probe
from ppvsr.video.output import open_work
from tests.video.working import IDENTITY, moving

SIZES = (6, 1, 9, 5, 8, 3, 7, 6, 4, 5, 6)


def main(film: str, target: str, diary: str) -> None:
    """Work on `target` until it is complete."""
    frames = list(moving(sum(SIZES), size=(96, 64)))
    target = Path(target)
    container = target.suffix.removeprefix(".") or "png"
    with open_work(target, probe(film), container=container, encoding=Encoding(crf=24), identity=IDENTITY) as work:
        for number, size in enumerate(SIZES):
            if work.has(number):
                continue
            with open(diary, "a") as file:
                file.write(f"{number}\n")
            with work.segment(number) as sink:
                for frame in frames[sum(SIZES[:number]) :][:size]:
                    sink.write(frame)
        work.publish()


def child(seconds: float | None) -> bool:
    """Work in a child that is killed after so many seconds; returns whether it came to its end before."""
    process = os.fork()
    if not process:
        main(*sys.argv[1:])
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1] == 0


if __name__ == "__main__":
    # One import serves many runs: each line that comes in is the life of a child, in seconds, or empty.
    for line in sys.stdin:
        begin = time.perf_counter()
        ended = child(float(line) if line.strip() else None)
        print("ended" if ended else "killed", time.perf_counter() - begin, flush=True)
