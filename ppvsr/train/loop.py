"""The loop: batches, a step, a line, pictures, files, a validation; again. Ctrl-C waits for whole weights."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from ppvsr.data.loader import Batch
from ppvsr.errors import PpvsrError
from ppvsr.evaluate.evaluate import Scores
from ppvsr.system.ranks import Ranks
from ppvsr.train.experiment import WORST_FRAME, LogOptions, SnapshotOptions
from ppvsr.train.log import Journal
from ppvsr.train.snapshots import Snapshots
from ppvsr.train.step import Outcome, Stepper

# ---- Ctrl-C and `kill` at a moment when the weights are whole.

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupts(AbstractContextManager["Interrupts"]):
    """While the `with` block runs, signals that come inside `held()` wait until `obey()`; others strike as always.

    A second signal inside `held()` strikes at once. What a signal does is up to the handlers found here, such as
    Python's own, which raises KeyboardInterrupt; signals without a Python handler are left alone, and so is
    everything outside the main thread.

    notice: called when a signal must wait, to say so.
    """

    def __init__(self, notice: Callable[[], None]) -> None:
        self._notice = notice
        self._depth = 0
        self._waiting: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
            self._before = {
                number: signal.getsignal(number) for number in numbers if callable(signal.getsignal(number))
            }
            for number in self._before:
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self, when: bool = True) -> Iterator[None]:
        """Let signals wait in this block, if `when`."""
        self._depth += when
        try:
            yield
        finally:
            self._depth -= when

    def obey(self, ranks: Ranks | None = None) -> None:
        """Do what a waiting signal wants; with several ranks, all of them when one of them has got one.

        A rank that left alone would leave the others waiting for its gradients. All ranks must call this together.
        """
        number, self._waiting = self._waiting, None
        if ranks is not None and ranks.world > 1:
            came = int(ranks.total(np.array([number is not None]))[0])
            number = signal.SIGINT if came and number is None else number
        if number is not None:
            self._before.get(number, signal.default_int_handler)(number, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._depth and self._waiting is None:
            self._waiting = number
            self._notice()
        else:
            self._waiting = None
            self._before[number](number, frame)


# ---- The loop: batches, a step, a line, pictures, files, a validation; again.

SHOWN = 8  # clips that a message names


class Diverged(PpvsrError):
    """Too many steps in a row whose loss or gradient was not finite."""


def train(
    stepper: Stepper,
    steps: Iterable[list[Batch]],
    *,
    first: int,
    total: int,
    folder: Path,
    log: LogOptions,
    snapshot: SnapshotOptions,
    validate: Callable[[int], Scores] | None,
    validate_interval: int,
    journal: Journal,
    ranks: Ranks | None = None,
    best: Mapping[str, Any] | None = None,
    skipped: int = 0,
    validated: int | None = None,
    nan_streak: int = 10,
) -> int:
    """Take the steps `first` to `total`, counted from 1, and return the last one.

    steps: the micro-batches of each step, from `first` on; the caller closes it.  folder: of the run, for weights and
    checkpoints.  validate: called after a step, on all ranks, every `validate_interval` steps and after the last one;
    None, or an interval of -1, for never.  best, skipped, validated: what the facts of a resumed checkpoint say under
    these names; a validation that was due there and did not end is made up for.
    nan_streak: steps in a row without finite loss and gradient that end the run. With AMP the first steps look for the
    loss scale by overflowing: give more.

    Whatever else ends the run while the weights are whole (Ctrl-C, damaged data, a full device, a failing validation)
    leaves a checkpoint that is named after the steps really done, and is raised again. Raises Diverged after
    `nan_streak`, with the files left as they are, and WeightsError when they could not be written (see Snapshots).
    """
    ranks = ranks or Ranks()
    guard = _Guard(journal, nan_streak, skipped)
    files = Snapshots(stepper, folder, snapshot, journal, done=first - 1, best=best) if ranks.main else None
    work = _Work(stepper, steps, journal)
    with Interrupts(
        lambda: journal.say("Interrupted: what is under way is ended first; again to stop at once")
    ) as stop:
        try:
            if files is not None and first > 1:
                files.catch_up(first - 1)
            if validate is not None and validated != first - 1 > 0 and _due(first - 1, validate_interval, total):
                _validate(validate, first - 1, journal, files, stop)
            for step in range(first, total + 1):
                with stop.held(ranks.world > 1):  # a rank that left alone would leave the others waiting
                    batches, outcome = work.step(step, stop)
                    guard.look(step, outcome, batches)
                    if _due(step, log.interval):
                        losses = {name: value.item() for name, value in outcome.losses.items()}
                        journal.trained(step, rate=outcome.rate, losses=losses, norm=outcome.norm)
                    if ranks.main and _due(step, log.visual_interval):
                        journal.pictures(step, stepper.preview(batches[0]))
                    if files is not None and _due(step, snapshot.interval, total):
                        with stop.held():
                            files.save(step, skipped=guard.skipped, last=step == total, keep_all=guard.streak > 0)
                stop.obey(ranks)
                if validate is not None and _due(step, validate_interval, total):
                    _validate(validate, step, journal, files, stop)
        except Diverged:
            raise
        except BaseException:
            if files is not None:
                with stop.held():
                    files.rescue(stepper.done, whole=stepper.whole, skipped=guard.skipped)
            raise
    return stepper.done


class _Work:
    """Takes steps, and counts what they cost."""

    def __init__(self, stepper: Stepper, steps: Iterable[list[Batch]], journal: Journal) -> None:
        self._stepper, self._source, self._journal = stepper, iter(steps), journal

    def step(self, step: int, stop: Interrupts) -> tuple[list[Batch], Outcome]:
        """Take one step."""
        started = self._journal.now()
        batches = next(self._source, None)
        assert batches is not None, f"the batches ended before step {step}"
        waited = self._journal.now() - started
        with stop.held():
            outcome = self._stepper.step(batches, step)
        clips = sum(len(batch.keys) for batch in batches)
        self._journal.count(clips=clips, seconds=self._journal.now() - started, waited=waited)
        return batches, outcome


class _Guard:
    """Counts the steps that were left out because something was not finite, and ends a streak of them."""

    def __init__(self, journal: Journal, limit: int, skipped: int) -> None:
        self._journal, self._limit = journal, limit
        self._streak: list[str] = []  # the clips of each step
        self.skipped = skipped

    @property
    def streak(self) -> int:
        """Steps left out in a row, so far."""
        return len(self._streak)

    def look(self, step: int, outcome: Outcome, batches: Sequence[Batch]) -> None:
        """Raise Diverged when this step is the last of too many."""
        if outcome.finite:
            self._streak.clear()
            return
        keys = [key for batch in batches for key in batch.keys]
        self.skipped += 1
        self._streak.append(", ".join(keys))
        self._journal.skipped(step, keys, streak=len(self._streak))
        if len(self._streak) >= self._limit:
            clips = list(dict.fromkeys(self._streak))
            more = ", ..." if len(clips) > SHOWN else ""
            streak = len(self._streak)
            raise Diverged(
                f"steps {step - streak + 1} to {step}: loss or gradient not finite {streak} times in a row, with the "
                f"clips {', '.join(clips[:SHOWN])}{more}; look at these clips, lower the learning rate or set "
                f"clip_norm, and go on from a checkpoint of before step {step - streak + 1} with --resume FILE"
            )


def _validate(
    validate: Callable[[int], Scores], step: int, journal: Journal, files: Snapshots | None, stop: Interrupts
) -> None:
    if files is not None:
        files.hold(step)
    started = journal.now()
    scores = validate(step)
    metrics, places = dict(scores.mean), {}
    if scores.worst:
        clip, number, metrics[WORST_FRAME] = scores.worst
        places[WORST_FRAME] = (clip.clip, number)
    journal.validated(step, metrics, seconds=journal.now() - started, places=places)
    if files is not None:
        with stop.held():
            files.judge(step, metrics)
        stop.obey()


def _due(step: int, interval: int | None, last: int | None = None) -> bool:
    if interval is None or interval < 1:
        return False
    return step % interval == 0 or step == last
