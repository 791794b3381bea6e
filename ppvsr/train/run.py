"""A checked experiment → its evaluation on `dataset.test`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ppvsr.assemble.experiment import Experiment
from ppvsr.assemble.preparation import Say, prepare
from ppvsr.assemble.runners import flow_runner, mirrored_runner, network_runner
from ppvsr.errors import ConfigError
from ppvsr.train.evaluate import Report, Scores, evaluate
from ppvsr.train.options import ValidateOptions

if TYPE_CHECKING:
    from ppvsr.data.frames import Dataset
    from ppvsr.train.ranks import Ranks
    from ppvsr.train.stepper import Stepper

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
