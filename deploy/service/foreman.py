"""The foreman: gives the jobs to the worker process, one after the other, and starts another one when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.service.jobs import Job, Jobs, State
from deploy.service.messages import Failed, Finished, Order, Progress
from deploy.service.process import Ended, Process

PAUSE = 1.0  # seconds before a process that could not be started is tried again


class Foreman:
    """options: keywords of `ppvsr.enhance_video` that are the same for all jobs."""

    def __init__(self, jobs: Jobs, options: Mapping[str, Any]) -> None:
        self._jobs = jobs
        self._options = dict(options)
        self._process: Process | None = None
        self._current: Job | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a worker process."""
        return self._process is not None and self._process.alive

    async def run(self) -> None:
        """Work until cancelled; then the worker process is ended."""
        try:
            while True:
                await self._staff()
                job = await self._jobs.next()
                await self._staff()  # the process may have ended while there was nothing to do
                await self._work(job)
        finally:
            if self._process:
                await self._process.stop()

    async def remove(self, job: Job) -> None:
        """Remove a job; if it is being worked on, end that first."""
        self._jobs.take(job)
        if job is self._current and self._process:
            await self._process.stop()
        await self._jobs.remove(job)

    async def _staff(self) -> None:
        """See to it that there is a worker process."""
        while not self.ready:
            try:
                self._process = await Process.start()
            except (Ended, OSError) as error:
                logging.getLogger(__name__).warning("the worker process %s; trying again", error)
                await asyncio.sleep(PAUSE)

    async def _work(self, job: Job) -> None:
        assert self._process is not None
        process, seconds = self._process, self._jobs.limits.work
        job.state, self._current = State.RUNNING, job
        try:
            error = await asyncio.wait_for(self._follow(process, job), seconds)
        except asyncio.TimeoutError:
            error = f"it took more than {seconds} s and was stopped; send a shorter or a smaller film"
            await process.stop()
        except Ended as end:
            error = f"the worker process {end}"
            await process.stop()
        finally:
            self._current = None
        if job in self._jobs:
            await self._jobs.close(job, error=error)

    async def _follow(self, process: Process, job: Job) -> str | None:
        """Let the process do a job and note what it reports; return why it failed, if it did. Raises Ended."""
        await process.tell(
            Order(source=str(job.source), folder=str(job.results), options=self._options, limits=self._jobs.limits)
        )
        while True:
            report = await process.hear()
            if isinstance(report, Progress):
                job.done, job.total = report.done, report.total
            elif isinstance(report, Failed):
                return report.line
            elif isinstance(report, Finished):
                job.film, job.damage, job.done = _result(job, report.film), report.damage, report.frames
                job.remark = report.remark
                return None if job.film else "the worker process left no result"


def _result(job: Job, name: str) -> Path | None:
    """Return the result by the worker's word, if it is a file of the job: hostile films may have taken the worker."""
    path = job.results / Path(name).name
    return path if path.is_file() and not path.is_symlink() else None
