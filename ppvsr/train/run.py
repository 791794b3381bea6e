"""What can be done with an experiment: train it, evaluate it, look at its data, pack its clips."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ppvsr import __version__
from ppvsr.config.build import Call
from ppvsr.config.yaml import dump
from ppvsr.errors import ConfigError, UsageError
from ppvsr.evaluate.evaluate import Report, Scores, evaluate, table, write_csv, write_json
from ppvsr.evaluate.runners import flow_runner, mirrored_runner, network_runner
from ppvsr.system.paddle import use_device
from ppvsr.system.progress import Reporter
from ppvsr.train.experiment import Data, Experiment, ValidateOptions
from ppvsr.train.setup import AUTO, Pace, Request, Say, Start, check_sizes, make_task, nobody, prepare
from ppvsr.weights.networks import load_weights

if TYPE_CHECKING:
    from ppvsr.data.clips import Dataset
    from ppvsr.system.ranks import Ranks
    from ppvsr.train.checkpoint import State
    from ppvsr.train.step import Stepper


# ---- A checked experiment → its evaluation on `dataset.test`.

OVERLAP = 10  # frames of context on either side of a window, where the config does not say


@dataclass(frozen=True)
class Validation:
    """What is measured, on which clips, and how."""

    dataset: Dataset
    metrics: Mapping[str, Any]
    options: ValidateOptions
    ranks: Ranks

    @classmethod
    def of(cls, experiment: Experiment, ranks: Ranks, say: Say) -> Validation:
        """Make the validation of an experiment, its data checked. Raises DataError, ConfigError."""
        if not experiment.test or not experiment.metrics:
            raise ConfigError("validation needs `dataset.test` and `validate.metrics`; add them")
        dataset = prepare(experiment.test.dataset(), ranks, say)
        options = experiment.validate
        clip = dataset.clip(0)  # raises when a step of the pipeline is random
        if clip.lq.shape[3] != 3 and (options.mirror or options.flicker or options.save_img):
            raise ConfigError("validate: flow has no mirror, flicker or save_img; leave them out")
        height, width = clip.gt.shape[1:3]
        metrics = {name: call() for name, call in experiment.metrics.items()}
        blank = np.zeros((height, width, 3), np.uint8)
        for name, metric in metrics.items():
            try:
                metric(blank, blank)
            except ValueError as error:
                raise ConfigError(f"validate.metrics.{name}: {error}") from error
        return cls(dataset, metrics, options, ranks)

    def measure(self, net: Any, *, pictures: Path | None = None, report: Report = lambda *_: None) -> Scores:
        """Measure a network on the device in use; all ranks must call this, and get the same scores."""
        options = self.options
        if hasattr(net, "flows"):
            run = flow_runner(net)
        elif options.mirror or self.dataset.mirrored:
            run = mirrored_runner(net)
        else:
            run = network_runner(
                net, window=None if options.window == "all" else options.window, overlap=_overlap(options)
            )
        return evaluate(
            run,
            self.dataset,
            self.metrics,
            frames=options.frames,
            flicker=options.flicker,
            pictures=pictures if options.save_img else None,
            report=report,
            ranks=self.ranks,
        )

    def during_training(self, stepper: Stepper, folder: Path) -> Callable[[int], Scores]:
        """Return what measures the weights that would be saved after a step."""

        def validate(step: int) -> Scores:
            with stepper.averaged():
                return self.measure(stepper.task.net, pictures=folder / "visual_test" / f"iter{step}")

        return validate


def _overlap(options: ValidateOptions) -> int:
    """Return the frames of context on either side of a window; short windows have little room for them."""
    if options.overlap is not None:
        return options.overlap
    return 0 if options.window == "all" else min(OVERLAP, options.window // 4)


# ---- A checked experiment → a training run.

AMP_PATIENCE = 20  # steps that a loss scale may need to find its place, on top of `nan_streak`


def train(experiment: Experiment, request: Request, reporter: Reporter) -> Path:
    """Train as the experiment says and return the run's folder; a run that is finished already is left alone.

    Raises DataError for data that is not as it should be, WeightsError, ConfigError, PpvsrError; and KeyboardInterrupt,
    after a checkpoint was saved.
    """
    device = use_device(request.device)
    from ppvsr.data.loader import batches
    from ppvsr.system.ranks import join
    from ppvsr.train.checkpoint import claimed
    from ppvsr.train.log import Journal
    from ppvsr.train.loop import train as run

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
    from ppvsr.train.checkpoint import make_run_folder

    folder = Path(start.state.where).parent if start.state else None
    if folder and (folder / "metrics.jsonl").is_file():
        return folder
    return make_run_folder(Path(experiment.settings.output_dir), experiment.name, at=began, ranks=ranks)


# ---- What can be done with an experiment besides training: evaluate it, look at its data, pack its clips.


def evaluate_only(experiment: Experiment, request: Request, reporter: Reporter) -> Scores:
    """Measure weights on `dataset.test`; results.json, results.csv and pictures go to a run folder.

    Training data is not looked at. Raises UsageError without weights, DataError, WeightsError, ConfigError.
    """
    if request.load is None:
        raise UsageError("--evaluate-only: give the weights to measure by --load FILE")
    device = use_device(request.device)
    from ppvsr.system.ranks import join
    from ppvsr.train.checkpoint import make_run_folder

    began, ranks = datetime.now(), join()
    say: Say = reporter.say if ranks.main else nobody
    net = make_task(experiment, experiment.settings.seed, say).net
    load_weights(net, request.load)
    validation = Validation.of(experiment, ranks, say)
    folder = make_run_folder(Path(experiment.settings.output_dir), experiment.name, at=began, ranks=ranks)
    say(f"ppvsr {__version__}, {device}, {ranks.world} process(es), weights: {request.load}")
    scores = validation.measure(
        net,
        pictures=folder / "visual_test",
        report=(lambda done, total, clip: reporter.progress(done, total)) if ranks.main else lambda *_: None,
    )
    if ranks.main:
        about = {"ppvsr": __version__, "config": experiment.name, "weights": request.load, "device": device}
        write_json(folder / "results.json", scores, about)
        write_csv(folder / "results.csv", scores)
        say(table(scores))
        for name, value in scores.mean.items():
            say(f"Metric {name}: {value:.4f}")
        peak = f"{scores.peak_bytes / 2**30:.1f} GiB" + (
            f", {scores.device_bytes / 2**30:.1f} GiB on the device" if scores.device_bytes else ""
        )
        say(f"peak memory {peak}; results in {folder}")
    return scores


def check(experiment: Experiment, request: Request, reporter: Reporter) -> None:
    """Look at all that a run needs, without training: data sets, one sample of each, the network, the weights."""
    use_device(request.device)
    from ppvsr.system.ranks import Ranks

    say, alone = reporter.say, Ranks()
    start = Start.of(experiment, request, alone, say)
    task = start.task
    count = sum(int(np.prod(each.shape)) for each in task.net.parameters())
    say(f"{type(task.net).__name__}: {count:,} parameters")
    for line in start.origin:
        say(line)
    if experiment.train:
        dataset = prepare(experiment.train.dataset(), alone, say)
        say(f"dataset.train: {check_sizes(dataset, task.net, start.seed, experiment.train.batches.spans.longest())}")
        pace = Pace.of(experiment, len(dataset), alone)
        start.stepper(experiment, request, pace, alone)
        say(str(pace))
    if experiment.test and experiment.metrics:
        tested = Validation.of(experiment, alone, say).dataset
        clip = tested.clip(0)
        say(f"dataset.test: {len(tested)} clips; {clip.key}: lq {clip.lq.shape}, gt {clip.gt.shape}")
    place = Path(experiment.settings.output_dir).absolute()
    nearest = next(each for each in (place, *place.parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UsageError(f"output_dir: {place}: nothing can be written in {nearest}; choose another place")
    say("the config and its data are sound")


def pack(experiment: Experiment, request: Request, reporter: Reporter) -> None:
    """Write the packed clips of all data sets that name a folder by `pack`. Raises UsageError when none does."""
    from ppvsr.data.clips import pack_clips

    sets = [_innermost(each.dataset) for each in (experiment.train, experiment.test) if isinstance(each, Data)]
    packed = [each for each in sets if each.options.get("pack")]
    if not packed:
        raise UsageError("--pack: no data set of the config has `pack: FOLDER`; add it to those to be packed")
    for each in packed:
        dataset = each()
        dataset.prepare(reporter.say)
        pack_clips(dataset, Path(each.options["pack"]), reporter.say)


def _innermost(dataset: Call) -> Call:
    inner = dataset.options.get("dataset")
    return _innermost(inner) if isinstance(inner, Call) else dataset
