"""What can be done with an experiment besides training: evaluate it, look at its data, pack its clips."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import numpy as np

from ppvsr import __version__
from ppvsr.assemble.experiment import Data, Experiment
from ppvsr.assemble.film import Reporter
from ppvsr.assemble.preparation import Say, nobody, prepare
from ppvsr.assemble.start import Pace, Request, Start, check_sizes, make_task
from ppvsr.assemble.validation import Validation
from ppvsr.config.build import Call
from ppvsr.errors import UsageError
from ppvsr.framework import use_device
from ppvsr.train.evaluate import Scores
from ppvsr.train.results import table, write_csv, write_json
from ppvsr.weights.load import load_weights


def evaluate_only(experiment: Experiment, request: Request, reporter: Reporter) -> Scores:
    """Measure weights on `dataset.test`; results.json, results.csv and pictures go to a run folder.

    Training data is not looked at. Raises UsageError without weights, DataError, WeightsError, ConfigError.
    """
    if request.load is None:
        raise UsageError("--evaluate-only: give the weights to measure by --load FILE")
    device = use_device(request.device)
    from ppvsr.train.folder import make_run_folder
    from ppvsr.train.ranks import join

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
    from ppvsr.train.ranks import Ranks

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
    from ppvsr.data.pack import pack_clips

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
