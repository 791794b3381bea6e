"""How much memory there is."""

from __future__ import annotations

import os
import re
from pathlib import Path

ASSUMED = 4 * 2**30  # where the system does not tell


def free_memory() -> int:
    """Return the bytes that a program may still take: the system's, or what its control group has left."""
    limits = [_system(), _control_group()]
    return min([limit for limit in limits if limit is not None], default=ASSUMED)


def format_size(count: float) -> str:
    """Write bytes for people: 1.4 GB."""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"


def _system() -> int | None:
    try:
        table = Path("/proc/meminfo").read_text(encoding="ascii")
        return int(re.search(r"MemAvailable:\s+(\d+) kB", table)[1]) * 1024  # type: ignore[index]
    except (OSError, TypeError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows, macOS
        return None


def _control_group() -> int | None:
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used, table = (
            (folder / name).read_text(encoding="ascii").strip()
            for name in ("memory.max", "memory.current", "memory.stat")
        )
        cached = int(re.search(r"^inactive_file (\d+)$", table, re.MULTILINE)[1])  # type: ignore[index]
        return None if limit == "max" else max(int(limit) - int(used) + cached, 0)
    except (OSError, ValueError, TypeError):
        return None
