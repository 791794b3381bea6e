"""LQ pictures from GT pictures: MATLAB's bicubic in parallel processes, each picture written whole or not at all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import cv2

from ppvsr.data.clips import read_picture, write_picture
from ppvsr.errors import DataError, PpvsrError
from ppvsr.resize import resize
from ppvsr.system.files import PART


@dataclass(frozen=True)
class Job:
    """Pictures of one folder that shall be shrunk into another one, under the same names."""

    source: Path
    target: Path
    names: tuple[str, ...]


def open_job(source: Path, target: Path, names: Sequence[str]) -> Job:
    """Return the job without what is done; half-written files of a process that was killed are removed."""
    there = set()
    with suppress(FileNotFoundError), os.scandir(target) as entries:
        for entry in entries:
            there.add(entry.name)
            if entry.name.startswith(".") and entry.name.endswith(PART):
                Path(entry.path).unlink(missing_ok=True)
    return Job(source, target, tuple(name for name in names if name not in there))


def shrink(jobs: Sequence[Job], scale: int, workers: int) -> Generator[str | None, None, None]:
    """Do the jobs; yield for every picture, as it is finished, None or what was wrong with it.

    Close the iterator to end the workers; when this process is killed, they end after their next picture.
    Raises DataError when a picture cannot be written, and PpvsrError when a worker is killed.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the caller's threads' locks
    processes: dict[Connection, SpawnProcess] = {}
    try:
        with _deaf_to_the_terminal():
            for share in filter(None, (jobs[first::workers] for first in range(workers))):
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(share, scale, sender), daemon=True)
                process.start()
                sender.close()  # only the worker holds it now: its end is the end of the pipe
                processes[receiver] = process
        yield from _results(processes)
    finally:
        for receiver, process in processes.items():
            process.terminate()
            process.join()
            receiver.close()


def _results(processes: dict[Connection, SpawnProcess]) -> Iterator[str | None]:
    working = dict(processes)
    while working:
        ready = wait(list(working))
        for receiver in [each for each in working if each in ready]:
            try:
                result = receiver.recv()
            except EOFError:
                process = working.pop(receiver)
                process.join()
                if process.exitcode:
                    raise PpvsrError(
                        f"a worker was killed (exit code {process.exitcode}); perhaps the memory is used up: "
                        "run the same command with fewer --workers, what was finished stays"
                    ) from None
                continue
            if isinstance(result, OSError):
                raise DataError(f"{result.filename}: cannot be written: {result.strerror}; what was finished stays")
            yield result


@contextmanager
def _deaf_to_the_terminal() -> Iterator[None]:
    """Processes started inside hear no Ctrl-C and no closing of the terminal: this process does, and ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # POSIX only; started with the first process, it would unblock Ctrl-C

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(jobs: Sequence[Job], scale: int, results: Connection) -> None:
    """Run in a worker: send for every picture None, what was wrong, or the OSError that makes going on pointless."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a half-written picture is removed
    cv2.setNumThreads(1)
    with results, suppress(BrokenPipeError):  # nobody listens any more: the other process was killed
        for job in jobs:
            for name in job.names:
                results.send(_attempt(job.source / name, job.target / name, scale))


def _attempt(source: Path, target: Path, scale: int) -> str | OSError | None:
    try:
        shrink_picture(source, target, scale)
    except PpvsrError as error:
        return str(error)
    except OSError as error:
        return OSError(error.errno, error.strerror, str(target))
    return None


def shrink_picture(source: Path, target: Path, scale: int) -> None:
    """Write a picture `scale` times smaller, as PNG, in 8 bits and RGB; rounded once.

    Raises DataError for a source that is missing, damaged, or cannot be divided; OSError when writing fails, and then
    there is no such file, or still the old one.
    """
    image = read_picture(source)
    height, width = image.shape[:2]
    if height % scale or width % scale:
        raise DataError(f"{source}: {width}x{height} cannot be divided by {scale}; crop the pictures first")
    write_picture(target, resize(image, height // scale, width // scale))
