"""Several data sets as one, each with its share."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from ppvsr.data.frames import Clip, Dataset, Report, Sample
from ppvsr.data.spans import OWN, Span
from ppvsr.errors import ConfigError


class MixedDataset:
    """`datasets`, of which each gives its share of all samples; every example is used, those of small sets repeatedly.

    shares: numbers above 0, one for each data set, such as [0.5, 0.5] or [3, 1]; None is the same for all. Shares are
    exact for an epoch, to one sample, and come about for a batch: the loader shuffles.
    """

    def __init__(self, *, datasets: Sequence[Dataset], shares: Sequence[float] | None = None):
        shares = [1.0] * len(datasets) if shares is None else shares
        if not datasets or len(shares) != len(datasets):
            raise ConfigError(
                f"MixedDataset: there must be data sets and a share for each; got {len(datasets)} and {len(shares)}"
            )
        if not all(0 < share < math.inf for share in shares):
            raise ConfigError(f"MixedDataset: shares must be above 0, got {list(shares)}; leave out what has none")
        self.datasets = tuple(datasets)
        self._shares = [share / sum(shares) for share in shares]

    @property
    def mirrored(self) -> bool:
        """Whether a pipeline holds MirrorVideoSequence."""
        return any(each.mirrored for each in self.datasets)

    def prepare(self, report: Report) -> None:
        """See `Dataset`."""
        for each in self.datasets:
            each.prepare(report)

    def __len__(self) -> int:
        return self._ends()[-1]

    def load(self, index: int, rng: np.random.Generator, span: Span = OWN) -> Sample:
        """See `Dataset`."""
        dataset, inner = self._find(index)
        return dataset.load(inner, rng, span)

    def clip(self, index: int) -> Clip:
        """See `Dataset`."""
        dataset, inner = self._find(index)
        return dataset.clip(inner)

    def _ends(self) -> list[int]:
        """Where the indices of each data set end; there are as few as name every example of all."""
        parts = zip(self.datasets, self._shares, strict=True)
        length = max(math.ceil(round(len(each) / share, 6)) for each, share in parts)
        return list(accumulate(math.ceil(round(length * share, 6)) for share in self._shares))

    def _find(self, index: int) -> tuple[Dataset, int]:
        ends = self._ends()
        number = bisect_right(ends, index)
        return self.datasets[number], (index - (ends[number - 1] if number else 0)) % len(self.datasets[number])
