"""How much of the machine this process may use. Needs no Paddle."""

from __future__ import annotations

import math
import os
from pathlib import Path

CONTROL_GROUP = Path("/sys/fs/cgroup")


def available_threads() -> int:
    """Return the number of processors that this process may use: those it may run on, or its control group's share.

    A container that may use two of 64 processors would be slowed down many times by 64 threads.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, math.ceil(_share() or allowed)))


def _share() -> float | None:
    """Return how many processors' time the control group grants (version 2, or 1); None is all."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = " ".join((CONTROL_GROUP / name).read_text(encoding="ascii") for name in names).split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):  # another version, or "max"
            continue
        if quota > 0 and period > 0:
            return quota / period
    return None
