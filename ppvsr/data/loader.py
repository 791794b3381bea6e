"""Batches for training: which clips make which step, and the processes that read them."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import paddle
from paddle.base.multiprocess_utils import _cleanup_mmap

from ppvsr.data.clips import Dataset
from ppvsr.data.spans import Span, Spans
from ppvsr.errors import ConfigError, DataError, PpvsrError

Place = tuple[int, int, Span]  # epoch, index, length
PARENTS = [signal.SIGINT, signal.SIGHUP] if hasattr(signal, "pthread_sigmask") else []  # it ends its workers in order
POLL = 1  # seconds between two looks at whether workers, or their parent, are alive


@dataclass(frozen=True)
class Batch:
    """lq (b, t, 3, h, w) and gt (b, t, 3, scale h, scale w), uint8 or float32; keys: the clips' names.

    part: frames that are learned from; None for all.
    """

    lq: paddle.Tensor
    gt: paddle.Tensor
    keys: list[str]
    part: range | None = None


@dataclass(frozen=True)
class LoaderOptions:
    """batch_size is per device. num_workers: processes that read; 0 reads in this one.

    lengths, warm_frames: how long clips are, see `ppvsr.data.spans.Spans`.
    """

    batch_size: int = 1
    num_workers: int = 0
    use_shared_memory: bool = True
    lengths: Sequence[Sequence[int]] = ()
    warm_frames: int = 0

    @property
    def spans(self) -> Spans:
        """How long the clips of every step are."""
        return Spans(self.lengths, self.warm_frames)

    def __post_init__(self) -> None:
        Spans(self.lengths, self.warm_frames)  # refuses wrong ones
        if self.batch_size < 1 or self.num_workers < 0:
            raise ConfigError(
                f"batch_size must be 1 or more, num_workers 0 or more; got {self.batch_size} and {self.num_workers}"
            )


def steps_per_epoch(length: int, global_batch: int) -> int:
    """How many whole steps an epoch has; raises ConfigError when there is not even one."""
    if length < global_batch:
        times = -(-global_batch // max(length, 1))
        raise ConfigError(
            f"the training data has {length} clips, one step takes {global_batch} (batch_size times accumulation times "
            f"devices); lower batch_size, or wrap the data set in RepeatDataset with times: {times} or more"
        )
    return length // global_batch


def batches(
    dataset: Dataset,
    options: LoaderOptions,
    *,
    seed: int,
    first: int,
    last: int,
    accumulate: int = 1,
    rank: int = 0,
    world: int = 1,
) -> Generator[list[Batch], None, None]:
    """Yield the micro-batches, `accumulate` of them, of the steps first to last, counted from 1.

    dataset: prepared.  What a step reads follows from (seed, step) alone: not from workers, ranks or where training
    was resumed; `world` ranks together read what one process with `world * batch_size` reads. Errors of workers arrive
    as themselves; a worker that was killed is a DataError. Closing the iterator ends the workers.
    """
    order = _Order(len(dataset), options.batch_size, seed, first, last, accumulate, rank, world, options.spans)
    return _steps(dataset, options, order)


@dataclass(frozen=True)
class _Order:
    """The places of every micro-batch, one list each."""

    length: int
    batch_size: int
    seed: int
    first: int
    last: int
    accumulate: int
    rank: int
    world: int
    spans: Spans

    def __post_init__(self) -> None:
        steps_per_epoch(self.length, self.world * self.batch_size * self.accumulate)

    def __len__(self) -> int:
        return max(0, self.last - self.first + 1) * self.accumulate

    def __iter__(self) -> Iterator[list[Place]]:
        whole = self.world * self.batch_size  # the micro-batch of all ranks
        steps = steps_per_epoch(self.length, whole * self.accumulate)
        known = -1
        for step in range(self.first - 1, self.last):
            epoch, position = divmod(step, steps)
            if epoch != known:
                # 32 bits: repeated data sets are long, and every rank holds this
                numbers = np.arange(self.length, dtype=np.int32 if self.length < 2**31 else np.int64)
                np.random.default_rng((self.seed, epoch)).shuffle(numbers)
                known, order = epoch, numbers
            for part in range(self.accumulate):
                start = (position * self.accumulate + part) * whole + self.rank * self.batch_size
                span = self.spans.at(step + 1, part, self.seed)
                yield [(epoch, int(index), span) for index in order[start : start + self.batch_size]]


class _Reader(paddle.io.Dataset):
    """A place to a sample, and which part of it is learned from.

    Errors are values here: Paddle would lose their class and text between processes.
    """

    def __init__(self, dataset: Dataset, seed: int):
        super().__init__()
        self._dataset = dataset
        self._seed = seed

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place: Place) -> dict[str, Any]:
        epoch, index, span = place
        try:
            rng = np.random.default_rng((self._seed, epoch, 1 + index))  # with 0 it would be that of the shuffle
            sample = self._dataset.load(index, rng, span)
            part = span.part(len(sample["lq"]))
            return {**sample, "part": [part.start, part.stop] if part else []}
        except PpvsrError as error:
            return _failure(type(error), str(error))
        except Exception:
            return _failure(RuntimeError, f"a clip could not be read:\n{traceback.format_exc()}")


def _steps(dataset: Dataset, options: LoaderOptions, order: _Order) -> Generator[list[Batch], None, None]:
    reader = _Reader(dataset, order.seed)
    source = _from_workers(reader, options, order) if options.num_workers and len(order) else _from_here(reader, order)
    batch: list[Batch] = []
    try:
        for each in source:
            if "error" in each:
                raise each["error"](each["text"])
            part = range(*each["part"]) if each["part"] else None
            batch.append(Batch(each["lq"], each["gt"], list(each["keys"]), part))
            if len(batch) == order.accumulate:
                yield batch
                batch = []
    finally:
        source.close()


def _from_here(reader: _Reader, order: _Order) -> Generator[dict[str, Any], None, None]:
    for places in order:
        result = _stack([reader[place] for place in places])
        yield {key: paddle.to_tensor(x) if isinstance(x, np.ndarray) else x for key, x in result.items()}


def _from_workers(reader: _Reader, options: LoaderOptions, order: _Order) -> Generator[dict[str, Any], None, None]:
    loader = paddle.io.DataLoader(
        reader,
        batch_sampler=order,
        collate_fn=_stack,
        num_workers=options.num_workers,
        use_shared_memory=options.use_shared_memory,
        worker_init_fn=_start_worker,
        timeout=POLL,
    )
    handler = signal.getsignal(signal.SIGCHLD)
    with _held_back():  # a worker that got one before it knows better would die of it
        iterator = iter(loader)
    if threading.current_thread() is threading.main_thread():
        # Paddle's own handler would raise somewhere in a training step; here, a dead worker is met where it is missed.
        signal.signal(signal.SIGCHLD, handler)
    try:
        for _ in range(len(order)):
            try:
                result = next(iterator)
            except (StopIteration, SystemError) as error:
                raise DataError(
                    "a process that reads training data has died: killed, out of memory, or /dev/shm is too small; "
                    "lower num_workers or batch_size, or set use_shared_memory: false"
                ) from error
            yield result
    finally:
        _stop(iterator)


def _stack(samples: list[Any]) -> dict[str, Any]:
    """Make one batch of samples; the first error wins."""
    for each in samples:
        if "error" in each:
            return each
    shapes = {each["key"]: (each["lq"].shape, each["gt"].shape) for each in samples}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{key} {lq} {gt}" for key, (lq, gt) in shapes.items())
        text = f"clips of one batch must have one shape: {told}; crop them with SRPairedRandomCrop, or batch_size: 1"
        return _failure(DataError, text)
    if len({each["lq"].dtype for each in samples}) > 1:  # they would be joined, and one half be 255 times as bright
        told = ", ".join(f"{each['key']} {each['lq'].dtype}" for each in samples)
        return _failure(DataError, f"clips of one batch must have one type: {told}; normalise all data sets alike")
    halves = {half: np.stack([each[half] for each in samples]) for half in ("lq", "gt")}
    return {**halves, "keys": [each["key"] for each in samples], "part": samples[0]["part"]}


def _failure(kind: type[Exception], text: str) -> dict[str, Any]:
    # Paddle takes a batch without any array for the end of the data
    return {"error": kind, "text": text, "lq": np.zeros(1, np.uint8)}


@contextmanager
def _held_back() -> Iterator[None]:
    """Let signals that are the parent's business wait while its workers are made."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PARENTS) if PARENTS else None
    try:
        yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(worker: int) -> None:
    cv2.setNumThreads(0)
    for number in PARENTS:
        signal.signal(number, signal.SIG_IGN)
    if PARENTS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENTS)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()


def _follow(parent: int) -> None:
    """Leave no worker behind when the parent was killed: its queue would wait for ever."""
    while os.getppid() == parent:
        time.sleep(POLL)
    _cleanup_mmap()  # what nobody will fetch from shared memory would stay there
    os._exit(1)


def _stop(iterator: Any) -> None:
    """End the workers of Paddle's iterator, which by itself only ends them with the whole process."""
    iterator._try_shutdown_all(POLL)
    for each in iterator._workers:
        if each.is_alive():
            each.terminate()
        each.join()
