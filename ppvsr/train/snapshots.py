"""Which weights and checkpoints of a run are written and kept, and what happens when the disk refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ppvsr.errors import WeightsError
from ppvsr.train.checkpoint import State, rotate, write_checkpoint, write_weights
from ppvsr.train.experiment import SnapshotOptions
from ppvsr.train.log import Journal
from ppvsr.train.step import Stepper

PATIENCE = 3  # failures in a row that end a run
REFUSALS = (WeightsError, OSError)  # a file could not be written; a folder on the net could not be listed


class Snapshots:
    """Writes the files of a run; used on rank 0 only.

    A week of computing must not end because the disk was full for a moment, nor go on for ever without being saved:
    each failure is warned of and tried again at the next interval; the third in a row, or one at the very end, ends
    the run.

    done: steps of earlier sessions.  best: what their checkpoint noted under `best` ({"metric", "value", "step"}).
    """

    def __init__(
        self,
        stepper: Stepper,
        folder: Path,
        options: SnapshotOptions,
        journal: Journal,
        *,
        done: int = 0,
        best: Mapping[str, Any] | None = None,
    ) -> None:
        self._stepper, self._folder, self._options, self._journal = stepper, folder, options, journal
        self._best = dict(best) if best is not None and best.get("metric") == options.best else None
        self._skipped = 0
        self._validated: int | None = None  # the step of the last validation
        self._saved = done  # the step of the newest checkpoint
        self._failures = 0
        self._held: State | None = None

    def catch_up(self, done: int) -> None:
        """Write the weights that belong to the checkpoint to go on from, if the run ended between the two files."""
        checkpoint, weights = (self._folder / f"iter_{done}_{kind}.pdparams" for kind in ("checkpoint", "weight"))
        if checkpoint.is_file() and not weights.is_file() and done % self._options.interval == 0:
            with suppress(*REFUSALS):
                self._journal.saved(done, write_weights(self._folder, f"iter_{done}", self._stepper.weights()))

    def save(self, step: int, *, skipped: int, last: bool = False, keep_all: bool = False) -> None:
        """Write checkpoint and weights after a step; remove older ones that need not be kept, unless `keep_all`.

        skipped: steps left out so far, for the checkpoint.  last: of the run.  Raises WeightsError as the class says.
        """
        self._skipped = skipped
        try:
            self._checkpoint(step, keep_all=keep_all)  # first: it is the one that must not be lost
            file = write_weights(self._folder, f"iter_{step}", self._stepper.weights())
        except REFUSALS as error:
            self._failures += 1
            self._journal.warn(f"NOT SAVED at step {step} ({self._failures} of {PATIENCE} failures in a row): {error}")
            if self._failures >= PATIENCE or last:
                raise WeightsError(f"{error}; training ends at step {step}, because it could not be saved") from error
        else:
            self._failures = 0
            self._journal.saved(step, file)
            if not keep_all:
                self._remove_weights(step)

    def hold(self, step: int) -> None:
        """Keep a copy of the state, unless it is in a file, for a `rescue` before the next `judge`.

        A validation swaps averaged weights in and out; one that is cut off may leave any mixture behind.
        """
        self._held = self._stepper.state() if step > self._saved else None

    def judge(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write `best_weight` if the chosen metric is higher than ever; note both in this step's checkpoint.

        A failure is warned of; the best stays what it was.
        """
        self._held, self._validated = None, step
        self._note_best(step, metrics)
        if self._saved == step:
            try:
                self._checkpoint(step, keep_all=True)
            except REFUSALS as error:
                self._journal.warn(f"the validation is NOT NOTED at step {step}: {error}")

    def _note_best(self, step: int, metrics: Mapping[str, float]) -> None:
        name = self._options.best
        if name is None:
            return
        if name not in metrics:
            known = ", ".join(metrics) or "none"
            self._journal.warn(
                f"snapshot_config.best: no metric {name!r} (there are: {known}); best_weight is not kept"
            )
            return
        value = metrics[name]
        if math.isnan(value) or (self._best is not None and value <= self._best["value"]):
            return
        try:
            self._journal.saved(step, write_weights(self._folder, "best", self._stepper.weights()))
            self._best = {"metric": name, "value": value, "step": step}
        except REFUSALS as error:
            self._journal.warn(f"the best weights are NOT SAVED at step {step}: {error}")

    def rescue(self, step: int, *, whole: bool, skipped: int) -> None:
        """Write a checkpoint because the run ends here, unless it has one; a failure is warned of.

        whole: whether no step was cut in two; half a step is not worth a file.
        """
        self._skipped = skipped
        if not whole:
            self._journal.warn(f"ended inside step {step + 1}, so there is no newer checkpoint")
        elif step > self._saved:
            try:
                self._checkpoint(step, keep_all=True)
            except REFUSALS as error:
                self._journal.warn(f"NOT SAVED at step {step}: {error}")

    def _checkpoint(self, step: int, *, keep_all: bool) -> None:
        state = self._held or self._stepper.state()
        facts = {**state.facts, "best": self._best, "skipped": self._skipped, "validated": self._validated}
        file = write_checkpoint(self._folder, replace(state, step=step, facts=facts))
        self._saved = step
        self._journal.saved(step, file)
        if not keep_all:
            rotate(self._folder, self._options.keep)

    def _remove_weights(self, step: int) -> None:
        """Remove all but the newest up to this step; later ones, of a run that was resumed earlier, are not ours."""
        keep = self._options.keep_weights
        if keep is None:
            return
        found = []
        for file in self._folder.glob("iter_*_weight.pdparams"):
            number = file.name.split("_")[1]
            if number.isdecimal() and int(number) <= step:
                found.append((int(number), file))
        for _, file in sorted(found)[:-keep]:
            with suppress(OSError):
                file.unlink()
