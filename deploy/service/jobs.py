"""Jobs: what is known of each, the queue, and the files that belong to them. All on the event loop's thread."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from deploy.service.limits import Limits

LONGEST_NAME = 80


class State(str, Enum):
    """How far a job is."""

    UPLOADING = "uploading"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class QueueFull(Exception):
    """There is no place for another job."""


@dataclass(eq=False)
class Job:
    """One film.

    name: the client's word for it; shown, and never part of a path.  folder: all files of the job lie there.
    done, total: frames.  error: why it failed.  film: the result.  damage: what the source had lost.
    remark: how many frames came out unlike their source, and were mended.
    """

    id: str
    name: str
    folder: Path
    state: State = State.UPLOADING
    done: int = 0
    total: int | None = None
    error: str | None = None
    film: Path | None = None
    damage: str | None = None
    remark: str | None = None
    ends: float | None = None

    @property
    def source(self) -> Path:
        """Where the upload lies."""
        return self.folder / "source"

    @property
    def results(self) -> Path:
        """The folder for the result."""
        return self.folder / "results"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in (State.DONE, State.FAILED)


class Jobs:
    """The jobs by their ids. An id is a secret of its client: 128 random bits."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self._jobs: dict[str, Job] = {}
        self._queue: asyncio.Queue[Job] = asyncio.Queue()

    def __getitem__(self, key: str) -> Job:
        """Return a job. Raises KeyError."""
        return self._jobs[key]

    def __iter__(self) -> Iterator[Job]:
        return iter(tuple(self._jobs.values()))

    def __contains__(self, job: Job) -> bool:
        return job.id in self._jobs

    @property
    def waiting(self) -> int:
        """How many places of the queue are taken."""
        return sum(job.state in (State.UPLOADING, State.WAITING) for job in self)

    def open(self, name: str) -> Job:
        """Take a place in the queue for a film that is about to come. Raises QueueFull, OSError."""
        if self.waiting >= self.limits.waiting:
            raise QueueFull
        key = secrets.token_hex(16)
        job = Job(key, shown(name), self.folder / key)
        try:
            job.results.mkdir(parents=True)
        except OSError:
            shutil.rmtree(job.folder, ignore_errors=True)  # it may have got half of its folders
            raise
        self._jobs[key] = job
        return job

    def submit(self, job: Job) -> None:
        """Queue a job whose film is complete."""
        job.state = State.WAITING
        self._queue.put_nowait(job)

    async def next(self) -> Job:
        """Wait for a job to be worked on; those that were removed meanwhile are left out."""
        while True:
            job = await self._queue.get()
            if job in self:
                return job

    async def close(self, job: Job, *, error: str | None = None) -> None:
        """Note how a job ended; of its files only a result stays, and that for `limits.keep` seconds."""
        job.state = State.FAILED if error else State.DONE
        job.error = error
        loop = asyncio.get_running_loop()
        job.ends = loop.time() + self.limits.keep
        loop.call_later(self.limits.keep, self._forget, job)
        for old in sorted((each for each in self if each.over), key=lambda each: each.ends or 0.0)[: -self.limits.kept]:
            self._forget(old)
        if error:
            await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)
        else:
            await asyncio.to_thread(job.source.unlink, missing_ok=True)

    def take(self, job: Job) -> None:
        """Take a job out of the table: from now on it is unknown. Its files are still there."""
        self._jobs.pop(job.id, None)

    async def remove(self, job: Job) -> None:
        """Take a job out of the table and remove its files."""
        self.take(job)
        await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)

    def _forget(self, job: Job) -> None:
        if job in self:
            self.take(job)
            shutil.rmtree(job.folder, ignore_errors=True)


def shown(name: str) -> str:
    """Return a client's name for a film as it can be shown: no folders, no invisible characters, not too long."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(each for each in last if each.isprintable()).strip(". ")[-LONGEST_NAME:] or "film"
