"""An upload onto the disk: part by part, never whole in memory, and no more than is allowed."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from deploy.service.limits import Limits

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Raise HTTPException, 507, when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise HTTPException(507, "the disk of the service is full; try again later") from error


async def save(parts: AsyncIterator[bytes], path: Path, limits: Limits, *, announced: int | None) -> None:
    """Write the parts of an upload to `path`.

    announced: its length by the client's word.
    Raises HTTPException: 413 for more than `limits.upload` bytes, 408 when nothing comes, 400 for nothing at all or
    half of it, 507 when the disk is full.
    """
    too_large = HTTPException(413, f"the film has more than {limits.upload} bytes; send a smaller one")
    if announced is not None and announced > limits.upload:
        raise too_large
    size = 0
    try:
        with full_disk_told(), path.open("xb") as file:
            while (part := await asyncio.wait_for(anext(parts, None), limits.stall)) is not None:
                size += len(part)
                if size > limits.upload:
                    raise too_large
                await asyncio.to_thread(file.write, part)
    except asyncio.TimeoutError as error:
        raise HTTPException(408, f"nothing came for {limits.stall} s; send the film again") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the upload broke off; send the film again") from error
    if not size:
        raise HTTPException(400, "the film is empty; send it as the body: curl -T FILM -X POST .../jobs")
