"""A checked experiment → a training run."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ppvsr import __version__
from ppvsr.assemble.experiment import Data, Experiment
from ppvsr.assemble.film import Reporter
from ppvsr.assemble.preparation import Say, nobody, prepare
from ppvsr.assemble.pretrained import load_parts
from ppvsr.assemble.validation import Validation
from ppvsr.config.tree import dump
from ppvsr.errors import UsageError
from ppvsr.framework import import_paddle, use_device
from ppvsr.weights.load import load_weights

if TYPE_CHECKING:
    from ppvsr.train.checkpoint import State
    from ppvsr.train.ranks import Ranks
    from ppvsr.train.stepper import Stepper
    from ppvsr.train.task import Task

STEPS = (
    "local_align",
    "local_fusion",
    "begin",
    "propagate",
    "refine",
    "refill",
    "auxiliary",
    "reconstruct",
)  # of archs
AMP_PATIENCE = 20  # steps that a loss scale may need to find its place, on top of `nan_streak`


@dataclass(frozen=True)
class Request:
    """What the command line adds to a config.

    resume: a checkpoint, or "auto" for the newest one of this config.  load: weights to start from, or to evaluate.
    amp: O0 is full precision.  device: as for `use_device`.  seed, validate_interval: over the config's.
    """

    resume: str | None = None
    load: str | None = None
    amp: Literal["O0", "O1", "O2"] = "O0"
    device: str | None = None
    seed: int | None = None
    validate_interval: int | None = None


def train(experiment: Experiment, request: Request, reporter: Reporter) -> Path:
    """Train as the experiment says and return the run's folder.

    Raises DataError for data that is not as it should be, WeightsError, ConfigError, PpvsrError; and KeyboardInterrupt,
    after a checkpoint was saved.
    """
    device = use_device(request.device)
    from ppvsr.data.loader import batches
    from ppvsr.train.folder import claimed, make_run_folder
    from ppvsr.train.journal import Journal
    from ppvsr.train.loop import train as run
    from ppvsr.train.ranks import join

    began, ranks = datetime.now(), join()
    say: Say = reporter.say if ranks.main else nobody
    settings, data = experiment.settings, experiment.train
    assert data is not None  # read_experiment made sure
    state = _find_state(experiment, request, ranks)
    seed = _choose_seed(experiment, request, state)
    task = make_task(experiment, seed, say)
    origin = _start(task, experiment, request, state)
    dataset = prepare(data.dataset(), ranks, say)
    interval = request.validate_interval or experiment.validate.interval
    validation = Validation.of(experiment, ranks, say) if interval > 0 else None
    pace = pace_of(experiment, data, len(dataset), ranks)
    stepper = _stepper(task, experiment, request, pace, seed, ranks)
    if state:
        stepper.restore(state)
    first = state.step + 1 if state else 1
    if first > pace.total:
        raise UsageError(f"{state and state.where}: is after step {first - 1}; the run has {pace.total}: nothing to do")
    folder = _resumed_folder(request, state) or make_run_folder(
        Path(settings.output_dir), experiment.name, at=began, ranks=ranks
    )
    journal = Journal(
        folder,
        total=pace.total,
        first=first,
        iters_per_epoch=pace.per_epoch if settings.epochs else None,
        ranks=ranks,
        tensorboard=settings.tensorboard,
    )
    source = batches(
        dataset,
        data.batches,
        seed=seed,
        first=first,
        last=pace.total,
        accumulate=settings.accumulate,
        rank=ranks.rank,
        world=ranks.world,
    )
    with claimed(folder, ranks=ranks), journal, closing(source):
        for line in [f"ppvsr {__version__}, {device}, {ranks.world} process(es), seed {seed}", *origin, str(pace)]:
            journal.say(line)
        journal.say("config:\n" + dump(experiment.tree))
        run(
            stepper,
            source,
            first=first,
            total=pace.total,
            folder=folder,
            log=experiment.log,
            snapshot=replace(experiment.snapshot, interval=pace.snapshot),
            validate=validation.during_training(stepper, folder) if validation else None,
            validate_interval=interval,
            journal=journal,
            ranks=ranks,
            best=state.facts.get("best") if state else None,
            skipped=state.facts.get("skipped", 0) if state else 0,
            nan_streak=settings.nan_streak + (AMP_PATIENCE if request.amp != "O0" else 0),
        )
    return folder


@dataclass(frozen=True)
class Pace:
    """How samples become steps. length: of the data set; batch: samples of one step, on all devices together."""

    length: int
    batch: int
    per_epoch: int
    total: int
    snapshot: int

    def __str__(self) -> str:
        return f"{self.total} steps of {self.batch} clips; {self.length} samples are {self.per_epoch} steps"


def pace_of(experiment: Experiment, data: Data, length: int, ranks: Ranks) -> Pace:
    """Count the steps. Raises ConfigError when the data set is smaller than one batch."""
    from ppvsr.data.loader import steps_per_epoch

    settings, interval = experiment.settings, experiment.snapshot.interval
    batch = data.batches.batch_size * ranks.world * settings.accumulate
    per_epoch = steps_per_epoch(length, batch)
    if settings.epochs:
        return Pace(length, batch, per_epoch, settings.epochs * per_epoch, interval * per_epoch)
    return Pace(length, batch, per_epoch, settings.total_iters or 0, interval)


def make_task(experiment: Experiment, seed: int, say: Say) -> Task:
    """Build network and losses; the first weights depend on the seed only."""
    from ppvsr.ops.deform import use_native
    from ppvsr.ops.init import reset_weights

    assert experiment.task is not None
    paddle = import_paddle()
    paddle.seed(seed)
    task = experiment.task()
    reset_weights(task.net)
    if experiment.settings.native_ops and paddle.get_device() == "cpu" and (reason := use_native(task.net)):
        say(reason)
    return task


def _stepper(task: Task, experiment: Experiment, request: Request, pace: Pace, seed: int, ranks: Ranks) -> Stepper:
    from ppvsr.train.recompute import recompute
    from ppvsr.train.stepper import Stepper as Made

    assert experiment.optimizer is not None and experiment.schedule is not None
    settings, schedule = experiment.settings, experiment.schedule
    if settings.recompute:
        recompute(task.net, STEPS)
    return Made(
        task,
        experiment.optimizer(),
        schedule(**({"iters_per_epoch": pace.per_epoch} if schedule.takes("iters_per_epoch") else {})),
        seed=seed,
        clip_norm=settings.clip_norm,
        accumulate=settings.accumulate,
        ema_decay=settings.ema_decay,
        amp=request.amp,
        ranks=ranks,
    )


def _find_state(experiment: Experiment, request: Request, ranks: Ranks) -> State | None:
    from ppvsr.train.checkpoint import newest, read_checkpoint

    if request.resume is None:
        return None
    path = Path(request.resume)
    if request.resume == "auto":
        found = ranks.share(newest(Path(experiment.settings.output_dir), experiment.name) if ranks.main else None)
        if found is None:
            return None  # the first start of a job that is always started with --resume auto
        path = found
    return read_checkpoint(path)


def _choose_seed(experiment: Experiment, request: Request, state: State | None) -> int:
    wanted = experiment.settings.seed if request.seed is None else request.seed
    known = state.facts.get("seed") if state else None
    if known is not None and known != wanted and request.seed is not None:
        raise UsageError(f"--seed {wanted}: {state and state.where} was made with seed {known}; leave --seed out")
    return wanted if known is None else int(known)


def _start(task: Task, experiment: Experiment, request: Request, state: State | None) -> list[str]:
    """Fill the network with what it starts from, unless a checkpoint follows; return lines about it."""
    if state:
        return [f"goes on after step {state.step} of {state.where}"]
    if request.load:
        load_weights(task.net, request.load)
        return [f"weights: {request.load}"]
    return load_parts(task.net, experiment.settings.pretrained)


def _resumed_folder(request: Request, state: State | None) -> Path | None:
    """Return the run folder to go on in."""
    folder = Path(state.where).parent if state else None
    return folder if folder and (folder / "metrics.jsonl").is_file() else None
