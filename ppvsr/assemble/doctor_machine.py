"""The machine: processor, memory, disks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ppvsr.assemble.doctor_finding import OK, PROBLEM, WARNING, Finding
from ppvsr.enhance.memory import format_size, free_memory
from ppvsr.runtime.places import CACHE, cache_folder
from ppvsr.runtime.processors import available_threads

CPUINFO = Path("/proc/cpuinfo")
INTEL = ("x86_64", "AMD64", "i686")
WIDE = {"AVX": "avx", "AVX2": "avx2", "AVX-512": "avx512f", "VNNI": "avx512_vnni", "AMX": "amx_tile"}
LEAST_MEMORY, GOOD_MEMORY = 600 * 2**20, 1500 * 2**20  # a tiny film needs the first, the demo clip the second
LEAST_DISK = 2**30


def machine(output: Path) -> Iterator[Finding]:
    """Look at the processor, the memory that is free, and the disks of `output` and of the cache."""
    yield Finding("system", OK, f"{platform.platform()}, Python {platform.python_version()}")
    yield _processor()
    free = free_memory()
    level = OK if free >= GOOD_MEMORY else WARNING if free >= LEAST_MEMORY else PROBLEM
    advice = "" if level == OK else "end other programs, or give the container more"
    yield Finding("free memory", level, f"{format_size(free)}, the control group's limit counted in", advice)
    yield _disk("disk of the output", output.absolute(), "choose another --output", fatal=True)
    try:
        yield _disk("disk of the cache", cache_folder("programs"), f"name another folder by ${CACHE}", fatal=False)
    except OSError as error:
        yield Finding("disk of the cache", WARNING, str(error))


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


def _processor() -> Finding:
    usable, all_ = available_threads(), os.cpu_count() or 1
    known = instructions()
    text = f"{processor_name()}, {usable} of {all_} processors may be used, {', '.join(known) or 'no AVX known'}"
    if platform.machine() not in INTEL or not _cpuinfo():
        return Finding("processor", OK, text)
    if "AVX" not in known:
        return Finding("processor", PROBLEM, text, "Paddle's packages need AVX; use another machine")
    if "AVX2" not in known:
        return Finding("processor", WARNING, text, "without AVX2 all networks are several times slower")
    return Finding("processor", OK, text)


def _disk(name: str, folder: Path, advice: str, *, fatal: bool) -> Finding:
    """Look at the disk that would hold `folder`, at the nearest folder that exists."""
    failure = PROBLEM if fatal else WARNING
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        tempfile.TemporaryFile(dir=nearest).close()  # permissions alone do not tell: /proc gives root all of them
    except OSError:
        return Finding(name, failure, f"nothing can be written in {nearest}", advice)
    free = shutil.disk_usage(nearest).free
    text = f"{format_size(free)} free in {nearest}"
    return Finding(name, OK, text) if free >= LEAST_DISK else Finding(name, WARNING, text, f"make room, or {advice}")
