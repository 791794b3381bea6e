"""Data sets look at their files before anything long begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ppvsr.data.frames import Dataset
    from ppvsr.train.ranks import Ranks

Say = Callable[[str], Any]


def nobody(line: str) -> None:
    """Hear a line and tell nobody."""


def prepare(dataset: Dataset, ranks: Ranks, say: Say) -> Dataset:
    """Let a data set look at its files: first on rank 0, which may write caches, then on the others."""
    if ranks.main:
        dataset.prepare(say)
    ranks.barrier()
    if not ranks.main:
        dataset.prepare(nobody)
    return dataset
