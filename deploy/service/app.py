"""The HTTP side of the service: routes, who may use them, and errors as JSON."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from deploy.service.answers import Health, JobAnswer, Problem
from deploy.service.foreman import Foreman
from deploy.service.jobs import Job, Jobs, QueueFull, State
from deploy.service.limits import Limits
from deploy.service.uploads import full_disk_told, save
from ppvsr import __version__

SOON = {"Retry-After": "10"}


def make_app(folder: Path, options: Mapping[str, Any], limits: Limits, token: str | None = None) -> FastAPI:
    """Return the service. folder: for uploads and results.  options: keywords of `ppvsr.enhance_video`, for all jobs.

    token: what clients have to send as `Authorization: Bearer TOKEN`; None lets everybody in.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.jobs = Jobs(folder, limits)
        app.state.foreman = Foreman(app.state.jobs, options)
        app.state.task = asyncio.create_task(app.state.foreman.run())
        app.state.task.add_done_callback(_mourn)
        yield
        app.state.task.cancel()
        await asyncio.wait([app.state.task])

    app = FastAPI(title="ppvsr", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misspelt)
    app.add_exception_handler(Exception, _unexpected)
    app.state.token = token
    app.include_router(public)
    app.include_router(private)
    return app


async def allowed(request: Request) -> None:
    """Raise HTTPException unless the request has the token, if there is one."""
    token = request.app.state.token
    given = request.headers.get("authorization", "")
    if token is None and "origin" in request.headers:  # any page could, at an address that only this machine reaches
        raise HTTPException(403, "requests of web pages need a token; start the service with --token-file")
    if token is not None and not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise HTTPException(401, "send the token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})


def known(request: Request, key: str) -> Job:
    """Return the job of a path. Raises HTTPException."""
    try:
        return request.app.state.jobs[key]
    except KeyError as error:
        raise HTTPException(404, "there is no such job; it was removed, or its time is over") from error


Known = Annotated[Job, Depends(known)]
public = APIRouter()
private = APIRouter(dependencies=[Depends(allowed)], responses={"4XX": {"model": Problem}})


@public.get("/health")
async def health(request: Request, response: Response) -> Health:
    """Tell how the service is; 503 when it cannot work any more."""
    state = request.app.state
    failed = state.task.done()
    response.status_code = 503 if failed else 200
    return Health(
        status="failed" if failed else "ok",
        worker=state.foreman.ready,
        waiting=state.jobs.waiting,
        version=__version__,
    )


@private.post("/jobs", status_code=202)
async def send(
    request: Request, response: Response, name: Annotated[str, Query(max_length=1000)] = "film"
) -> JobAnswer:
    """Take a film, which is the body of the request, and queue it. name: what to call it."""
    jobs: Jobs = request.app.state.jobs
    try:
        with full_disk_told():
            job = jobs.open(name)
    except QueueFull as error:
        raise HTTPException(429, f"{jobs.limits.waiting} films are waiting; try again later", SOON) from error
    announced = request.headers.get("content-length", "")
    try:
        await save(request.stream(), job.source, jobs.limits, announced=int(announced) if announced else None)
    except BaseException:
        await asyncio.shield(jobs.remove(job))
        raise
    jobs.submit(job)
    response.headers["Location"] = f"/jobs/{job.id}"
    return _answer(job)


@private.get("/jobs/{key}")
async def look(job: Known) -> JobAnswer:
    """Tell how far a job is."""
    return _answer(job)


@private.get("/jobs/{key}/film", response_class=FileResponse)
async def fetch(job: Known) -> FileResponse:
    """Give the result."""
    if job.state is not State.DONE or job.film is None:
        reason = job.error or f"{job.done} frames are done; ask again later"
        raise HTTPException(409, f"there is no film, the job is {job.state.value}: {reason}")
    name = f"{Path(job.name).stem}_4x{job.film.suffix}"
    return FileResponse(job.film, filename=name, headers={"X-Content-Type-Options": "nosniff"})


@private.delete("/jobs/{key}", status_code=204)
async def remove(request: Request, job: Known) -> Response:
    """Remove a job, whatever its state, with its files; work on it is stopped."""
    await request.app.state.foreman.remove(job)
    return Response(status_code=204)


def _mourn(task: asyncio.Task[None]) -> None:
    """Let the log say why no more jobs are done; `/health` says that it is so."""
    if not task.cancelled() and (error := task.exception()):
        logging.getLogger(__name__).error("the service cannot go on, start it again", exc_info=error)


def _answer(job: Job) -> JobAnswer:
    return JobAnswer.of(job, asyncio.get_running_loop().time())


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    ours = error.detail != HTTPStatus(error.status_code).phrase
    line = (
        error.detail if ours else f"{request.method} {request.url.path}: {error.detail.lower()}; see deploy/README.md"
    )
    return _problem(error.status_code, line, error.headers)


async def _misspelt(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _problem(400, "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return _problem(500, f"unexpected {type(error).__name__}; the log of the service says more")


def _problem(status: int, line: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Problem(error=line).model_dump(), status, headers)
