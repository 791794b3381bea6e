"""What clients get: JSON of these forms."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from deploy.service.jobs import Job, State


class JobAnswer(BaseModel):
    """A job.

    done, total: frames.  error: why it failed.  damage: what the source had lost.  remark: how many frames were mended.
    kept: seconds left.
    """

    id: str
    name: str
    state: State
    done: int
    total: int | None
    error: str | None
    damage: str | None
    remark: str | None
    kept: int | None

    @classmethod
    def of(cls, job: Job, now: float) -> JobAnswer:
        """Describe a job. now: seconds on the clock of the event loop."""
        kept = None if job.ends is None else max(round(job.ends - now), 0)
        return cls(
            id=job.id,
            name=job.name,
            state=job.state,
            done=job.done,
            total=job.total,
            error=job.error,
            damage=job.damage,
            remark=job.remark,
            kept=kept,
        )


class Health(BaseModel):
    """How the service is. worker: whether the worker process is there.  waiting: places of the queue that are taken."""

    status: Literal["ok", "failed"]
    worker: bool
    waiting: int
    version: str


class Problem(BaseModel):
    """Why a request was not served, in one line."""

    error: str
