"""A small data set that passes for a large one, so that epochs are long."""

from __future__ import annotations

import numpy as np

from ppvsr.data.frames import Clip, Dataset, Report, Sample
from ppvsr.data.spans import OWN, Span
from ppvsr.errors import ConfigError


class RepeatDataset:
    """`dataset`, `times` over. Every repetition draws its own crops and flips."""

    def __init__(self, *, dataset: Dataset, times: int):
        if times < 1:
            raise ConfigError(f"RepeatDataset: times must be 1 or more, got {times}")
        self.dataset = dataset
        self.times = times

    @property
    def mirrored(self) -> bool:
        """Whether the pipeline holds MirrorVideoSequence."""
        return self.dataset.mirrored

    def prepare(self, report: Report) -> None:
        """See `Dataset`."""
        self.dataset.prepare(report)

    def __len__(self) -> int:
        return self.times * len(self.dataset)

    def load(self, index: int, rng: np.random.Generator, span: Span = OWN) -> Sample:
        """See `Dataset`."""
        return self.dataset.load(index % len(self.dataset), rng, span)

    def clip(self, index: int) -> Clip:
        """See `Dataset`."""
        return self.dataset.clip(index % len(self.dataset))
