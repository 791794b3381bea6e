"""The machine: processors, memory, how much of either this process may use and has used. Imports no Paddle."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import sys
from pathlib import Path

# ---- The machine: processor, memory, disks.

CPUINFO = Path("/proc/cpuinfo")
WIDE = {"AVX": "avx", "AVX2": "avx2", "AVX-512": "avx512f", "VNNI": "avx512_vnni", "AMX": "amx_tile"}


def processor_name() -> str:
    """Name the processor as far as the system tells."""
    found = re.search(r"^model name\s*: (.+)", _cpuinfo(), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def instructions() -> list[str]:
    """Return which wide instructions the processor knows, by the names people use."""
    found = re.search(r"^flags\s*: (.+)", _cpuinfo(), re.MULTILINE)
    flags = found[1].split() if found else []
    return [name for name, flag in WIDE.items() if flag in flags]


def _cpuinfo() -> str:
    try:
        return CPUINFO.read_text(encoding="utf-8")
    except OSError:
        return ""


# ---- How much of the machine this process may use. Needs no Paddle.

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


# ---- How much memory there is.

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


# ---- How much memory was used. Needs no Paddle: what did not need it so far does not need it for this.


def resident_peak() -> int:
    """The most memory that this process has held, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def device_peak(*, reserved: bool = False) -> int:
    """The most memory that Paddle has used on the GPU, or set aside there, in bytes; 0 without one."""
    paddle = sys.modules.get("paddle")
    if paddle is None or not paddle.device.is_compiled_with_cuda() or not paddle.device.get_device().startswith("gpu"):
        return 0
    cuda = paddle.device.cuda
    return int(cuda.max_memory_reserved() if reserved else cuda.max_memory_allocated())


# ---- How the C library deals with the memory of large tensors.

# mallopt's names for numbers, from glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
KEPT = 2**31 - 1  # bytes, the most that can be said


def keep_memory() -> bool:
    """Have freed memory reused instead of given back to the system and fetched again, page by page, by every operator.

    A quarter of the time of compiled steps goes there otherwise, at 2 % more memory. Whole networks in dygraph would
    take up to half as much again: they leave more gaps. For the whole process; returns whether it worked, which is the
    case with glibc only.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: KEPT, M_ARENA_MAX: 1}
    return all([mallopt(name, value) for name, value in settings.items()])
