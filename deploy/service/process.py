"""The server's end of the worker process: start it, talk to it, end it with all that it started."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from deploy.service.messages import Order, Ready, Report, read_report

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "deploy.service.worker")
GRACE = 5.0  # seconds between asking a process to end and ending it
LONGEST = 2**16  # bytes of a report


class Ended(Exception):
    """Why the worker process is no more, in words that follow "the worker process"."""


class Process:
    """One life of the worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._leaving = False

    @classmethod
    async def start(cls) -> Process:
        """Start the process and wait until it takes orders. Raises Ended."""
        process = cls(
            await asyncio.create_subprocess_exec(
                *COMMAND,
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # a group of its own, that can be ended as a whole
                limit=LONGEST,
            )
        )
        try:
            if not isinstance(await process.hear(), Ready):
                raise Ended("does not begin with being ready")
        except BaseException:
            await process.stop()
            raise
        return process

    @property
    def alive(self) -> bool:
        """Whether the process runs and takes orders."""
        return self._process.returncode is None and not self._leaving

    async def tell(self, order: Order) -> None:
        """Give an order. Raises Ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(order.model_dump_json().encode() + b"\n")
            await self._process.stdin.drain()
        except OSError as error:
            raise Ended(await self._end()) from error

    async def hear(self) -> Report:
        """Return the next report. Raises Ended when there will be none, or it cannot be understood."""
        assert self._process.stdout is not None
        try:
            line = await self._process.stdout.readline()
            if line:
                return read_report(line)
        except ValueError as error:
            raise Ended("said what is no report") from error
        raise Ended(await self._end())

    async def stop(self) -> None:
        """Ask the process to clean up and end; after a while end it, and in any case all that it started."""
        self._leaving = True
        if self._process.returncode is None:
            self._send(signal.SIGTERM)
            await self._wait()
        self._send(signal.SIGKILL)
        await self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        """Send a signal to the group. (The methods of asyncio's process ask for its exit code, which is then lost.)"""
        with suppress(ProcessLookupError, PermissionError):  # macOS: nobody is left but the dead
            os.killpg(self._process.pid, number)

    async def _wait(self) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._process.wait(), GRACE)

    async def _end(self) -> str:
        """Return how the process ended, which it is about to do or has done."""
        await self._wait()
        await self.stop()
        code = self._process.returncode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"was ended by {name}{'; is memory short?' if name == 'SIGKILL' else ''}"
