"""A checked experiment → a training run."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppvsr import __version__
from ppvsr.assemble.experiment import Experiment
from ppvsr.assemble.film import Reporter
from ppvsr.assemble.preparation import Say, nobody, prepare
from ppvsr.assemble.start import AUTO, Pace, Request, Start, check_sizes
from ppvsr.assemble.validation import Validation
from ppvsr.config.tree import dump
from ppvsr.errors import UsageError
from ppvsr.framework import use_device

if TYPE_CHECKING:
    from ppvsr.train.checkpoint import State
    from ppvsr.train.ranks import Ranks

AMP_PATIENCE = 20  # steps that a loss scale may need to find its place, on top of `nan_streak`


def train(experiment: Experiment, request: Request, reporter: Reporter) -> Path:
    """Train as the experiment says and return the run's folder; a run that is finished already is left alone.

    Raises DataError for data that is not as it should be, WeightsError, ConfigError, PpvsrError; and KeyboardInterrupt,
    after a checkpoint was saved.
    """
    device = use_device(request.device)
    from ppvsr.data.loader import batches
    from ppvsr.train.folder import claimed
    from ppvsr.train.journal import Journal
    from ppvsr.train.loop import train as run
    from ppvsr.train.ranks import join

    began, ranks = datetime.now(), join()
    say: Say = reporter.say if ranks.main else nobody
    settings, data = experiment.settings, experiment.train
    assert data is not None  # read_experiment made sure
    start = Start.of(experiment, request, ranks, say)
    dataset = prepare(data.dataset(), ranks, say)
    check_sizes(dataset, start.task.net, start.seed, data.batches.spans.longest())
    interval = request.validate_interval or experiment.validate.interval
    validation = Validation.of(experiment, ranks, say) if interval > 0 else None
    pace = Pace.of(experiment, len(dataset), ranks)
    if start.state and _finished(start.state, pace, request, validating=validation is not None):
        say(f"{start.state.where}: is after step {start.state.step}, the last one: this run is finished")
        return Path(start.state.where).parent
    stepper = start.stepper(experiment, request, pace, ranks)
    folder = _folder(experiment, start, began, ranks)
    place: dict[str, Any] = {"first": start.first, "total": pace.total, "ranks": ranks}
    epoch = pace.per_epoch if settings.epochs else None
    journal = Journal(folder, **place, iters_per_epoch=epoch, tensorboard=settings.tensorboard)
    order: dict[str, Any] = {
        "seed": start.seed,
        "first": start.first,
        "last": pace.total,
        "accumulate": settings.accumulate,
    }
    source = batches(dataset, data.batches, **order, rank=ranks.rank, world=ranks.world)
    with claimed(folder, ranks=ranks), journal, closing(source):
        about = f"ppvsr {__version__}, {device}, {ranks.world} process(es), seed {start.seed}"
        for line in (about, *start.origin, str(pace), f"config:\n{dump(experiment.tree)}"):
            journal.say(line)
        run(
            stepper,
            source,
            **place,
            folder=folder,
            journal=journal,
            log=experiment.log,
            snapshot=replace(experiment.snapshot, interval=pace.snapshot),
            validate=validation.during_training(stepper, folder) if validation else None,
            validate_interval=interval,
            nan_streak=settings.nan_streak + (AMP_PATIENCE if request.amp != "O0" else 0),
            **_remembered(start.state),
        )
    return folder


def _finished(state: State, pace: Pace, request: Request, *, validating: bool) -> bool:
    """Whether nothing is left to do, not even a validation that was cut off. Raises UsageError for an explicit file."""
    if state.step < pace.total or (validating and state.step == pace.total and _remembered(state)["validated"] is None):
        return False
    if request.resume != AUTO:
        raise UsageError(f"{state.where}: is after step {state.step}; the run has {pace.total}: nothing to do")
    return True


def _remembered(state: State | None) -> dict[str, Any]:
    """Return what the loop wants to know of an earlier session."""
    facts = state.facts if state else {}
    return {"best": facts.get("best"), "skipped": facts.get("skipped", 0), "validated": facts.get("validated")}


def _folder(experiment: Experiment, start: Start, began: datetime, ranks: Ranks) -> Path:
    """Return the run folder: that of the checkpoint to go on from, or a new one."""
    from ppvsr.train.folder import make_run_folder

    folder = Path(start.state.where).parent if start.state else None
    if folder and (folder / "metrics.jsonl").is_file():
        return folder
    return make_run_folder(Path(experiment.settings.output_dir), experiment.name, at=began, ranks=ranks)
