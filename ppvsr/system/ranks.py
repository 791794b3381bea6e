"""Several processes that train together: who I am, and what we exchange.

    python -m paddle.distributed.launch --gpus 0,1 tools/main.py -c CONFIG      # GPUs: NCCL, one process each
    python -m paddle.distributed.launch --nproc_per_node 2 tools/main.py ...    # without a GPU: processes by gloo

Paddle's launcher sets the environment that `join` reads. When one process dies it ends the others, prints "Container
failed" with the end of that one's log, and returns non-zero; all logs are in its `--log_dir` (./log). A build of Paddle
without GPUs takes gloo by itself; on one with GPUs, `PADDLE_DISTRI_BACKEND=gloo` asks for it. The launcher finds free
ports itself, on one machine; for several, `--master IP:PORT --nnodes N`.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist
from paddle import Tensor

from ppvsr.errors import PpvsrError

PATIENCE = 4 * 3600  # seconds that the others may take (for a validation, say) until they count as hanging
LONGEST_NAP = 0.05  # seconds between two looks at who has come


@dataclass(frozen=True)
class Ranks:
    """One process among `world`.

    What exchanges something must be called by all of them, in the same order, and raises PpvsrError when another one
    is gone.
    """

    rank: int = 0
    world: int = 1
    _meetings: Iterator[int] = field(default_factory=lambda: count(1), repr=False, compare=False)

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Give every tensor its mean over the ranks, in place: one exchange for each type of numbers."""
        if self.world == 1:
            return
        with self._together():
            for dtype in sorted({str(tensor.dtype) for tensor in tensors}):
                same = [tensor for tensor in tensors if str(tensor.dtype) == dtype]
                flat = paddle.concat([tensor.detach().flatten() for tensor in same])
                dist.all_reduce(flat)
                parts = (flat / self.world).split([tensor.size for tensor in same])
                for tensor, part in zip(same, parts, strict=True):
                    paddle.assign(part.reshape(tensor.shape), tensor)

    def total(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of an array over the ranks, in float64."""
        if self.world == 1:
            return np.asarray(array, np.float64)
        with self._together():
            tensor = paddle.to_tensor(np.asarray(array, np.float64))
            dist.all_reduce(tensor)
            return tensor.numpy()

    def share(self, value: Any) -> Any:
        """Return rank 0's value on every rank; it may be anything that can be pickled."""
        if self.world == 1:
            return value
        with self._together():
            held = [value]
            dist.broadcast_object_list(held, src=0)
            dist.barrier()  # rank 0 keeps the list of who has come: it must not end while others look into it
            return held[0]

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        if self.world > 1:
            with self._together():
                dist.barrier()

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            self._meet()
            yield
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().rpartition("\n")[2]
            raise PpvsrError(
                f"rank {self.rank} of {self.world}: another process of this training is gone ({reason}); "
                "its log, beside this one (--log_dir of the launcher), says why. Go on with --resume auto"
            ) from error

    def _meet(self) -> None:
        """Wait for the others without exchanging: gloo gives up after 30 seconds, NCCL after half an hour."""
        store = paddle.base.core.create_or_get_global_tcp_store()
        all_here = next(self._meetings) * self.world
        came, started, nap = store.add("ppvsr/came", 1), time.monotonic(), 0.0005
        while came < all_here:
            if time.monotonic() - started > PATIENCE:
                raise RuntimeError(f"not all came within {PATIENCE} seconds")
            time.sleep(nap)
            nap = min(2 * nap, LONGEST_NAP)
            came = store.add("ppvsr/came", 0)


def join() -> Ranks:
    """Meet the other processes that Paddle's launcher started; alone without it.

    Raises PpvsrError when the port where they are to meet is taken.
    """
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) < 2:
        return Ranks()
    _check_port()
    dist.init_parallel_env()
    return Ranks(dist.get_rank(), dist.get_world_size())


def _check_port() -> None:
    """Look, on rank 0, whether its port is free: Paddle would end the process with a core dump otherwise."""
    place = os.environ.get("PADDLE_MASTER", "")
    _, _, port = place.rpartition(":")
    if os.environ.get("PADDLE_TRAINER_ID") != "0" or not port.isdecimal():
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a run that has just ended is free
        try:
            probe.bind(("", int(port)))
        except OSError as error:
            raise PpvsrError(
                f"{place}: this port is in use ({error.strerror}); give the launcher another --master IP:PORT"
            ) from error
