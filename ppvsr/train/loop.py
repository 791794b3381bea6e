"""The loop: batches, a step, a line, pictures, files, a validation; again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ppvsr.data.loader import Batch
from ppvsr.errors import PpvsrError
from ppvsr.train.evaluate import Scores
from ppvsr.train.interrupts import Interrupts
from ppvsr.train.journal import Journal
from ppvsr.train.options import WORST_FRAME, LogOptions, SnapshotOptions
from ppvsr.train.ranks import Ranks
from ppvsr.train.snapshots import Snapshots
from ppvsr.train.stepper import Outcome, Stepper

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
