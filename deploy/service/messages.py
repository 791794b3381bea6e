"""What the server and its worker process say to each other: one line of JSON each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from deploy.service.limits import Limits


class Order(BaseModel):
    """Server to worker: enlarge `source` into `folder`. options: keywords of `ppvsr.enhance_video`."""

    source: str
    folder: str
    options: dict[str, Any]
    limits: Limits


class Ready(BaseModel):
    """Worker to server: orders are taken."""

    kind: Literal["ready"] = "ready"


class Progress(BaseModel):
    """Worker to server: so many frames are finished, of so many if that is known."""

    kind: Literal["progress"] = "progress"
    done: int
    total: int | None


class Finished(BaseModel):
    """Worker to server: the result lies in the order's folder under this name.

    damage: what the source had lost.  remark: how many frames came out unlike their source, and were mended.
    """

    kind: Literal["finished"] = "finished"
    film: str
    frames: int
    damage: str | None
    remark: str | None = None


class Failed(BaseModel):
    """Worker to server: why there is no result, in one line."""

    kind: Literal["failed"] = "failed"
    line: str


Report = Ready | Progress | Finished | Failed
_REPORT: TypeAdapter[Report] = TypeAdapter(Annotated[Report, Field(discriminator="kind")])


def read_report(line: bytes) -> Report:
    """Read what a worker said. Raises ValueError (pydantic's) for anything else."""
    return _REPORT.validate_json(line)
