"""The packages that ppvsr stands on: which there are, and which do not go together. Nothing is imported."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from ppvsr import __version__
from ppvsr.assemble.doctor_finding import OK, PROBLEM, WARNING, Finding

Versions = Mapping[str, tuple[int, ...]]  # package -> version, of those that are installed
INSTALL = "pip install -r requirements.txt"
TESTED_PADDLE = (3, 3, 1)


@dataclass(frozen=True)
class Need:
    """A package. level: what its absence means.  advice: how to get it.  others: packages that will do instead."""

    package: str
    least: tuple[int, ...]
    level: str = PROBLEM
    advice: str = INSTALL
    others: tuple[str, ...] = ()


NEEDS = (
    Need("paddlepaddle", (3, 0), WARNING, "all networks need it: pip install paddlepaddle", ("paddlepaddle-gpu",)),
    Need("numpy", (1, 26)),
    Need("opencv-python-headless", (4, 8), others=("opencv-python", "opencv-contrib-python-headless")),
    Need("av", (17,)),
    Need("safetensors", (0, 4)),
    Need("imageio", (2, 31), WARNING),
    Need("PyYAML", (6,)),
    Need("tqdm", (4, 60)),
    Need("matplotlib", (3, 7), OK, 'for curves and charts only: pip install "matplotlib>=3.7"'),
    Need("tensorboardX", (2, 6), OK, 'for training only: pip install "tensorboardX>=2.6"'),
)


@dataclass(frozen=True)
class Combination:
    """What is known not to go well. applies: whether it is so here, given what is installed."""

    name: str
    level: str
    text: str
    advice: str
    applies: Callable[[Versions], bool]


def _paddle(versions: Versions) -> tuple[int, ...]:
    return versions.get("paddlepaddle") or versions.get("paddlepaddle-gpu") or ()


KNOWN_BAD = (
    Combination(
        "two OpenCVs",
        WARNING,
        "opencv-python and opencv-python-headless are both installed, and overwrite each other's files",
        "pip uninstall opencv-python, then pip install --force-reinstall opencv-python-headless",
        lambda versions: {"opencv-python", "opencv-python-headless"} <= versions.keys(),
    ),
    Combination(
        "two Paddles",
        WARNING,
        "paddlepaddle and paddlepaddle-gpu are both installed, and overwrite each other's files",
        "uninstall both, then install the one that you want",
        lambda versions: {"paddlepaddle", "paddlepaddle-gpu"} <= versions.keys(),
    ),
    Combination(
        "old Paddle",
        PROBLEM,
        "ppvsr uses what came with Paddle 3.0",
        'pip install "paddlepaddle>=3.0"',
        lambda versions: (0,) < _paddle(versions) < (3,),
    ),
    Combination(
        "numpy 2, old Paddle",
        PROBLEM,
        "Paddle before 2.6.2 was built for numpy 1 and fails when it is imported beside numpy 2",
        'pip install "paddlepaddle>=3.0"',
        lambda versions: (0,) < _paddle(versions) < (2, 6, 2) and versions.get("numpy", ()) >= (2,),
    ),
    Combination(
        "Paddle 3.3.0",
        WARNING,
        "its Paddle Inference fails with oneDNN in ways that 3.3.1 was tested for and 3.3.0 was not",
        "pip install paddlepaddle==3.3.1, or use --backend dygraph",
        lambda versions: _paddle(versions)[:3] == (3, 3, 0),
    ),
    Combination(
        "untested Paddle",
        WARNING,
        "ppvsr was tested with Paddle 3.3.1 only; compiled programs are proved before their first use in any case",
        "pip install paddlepaddle==3.3.1 where something looks odd",
        lambda versions: _paddle(versions) >= (3,) and _paddle(versions)[:3] not in (TESTED_PADDLE, (3, 3, 0)),
    ),
    Combination(
        "new Python",
        WARNING,
        "Paddle has no packages for Python 3.14 and newer that ppvsr was tested with",
        "use Python 3.10 to 3.13",
        lambda versions: sys.version_info >= (3, 14),
    ),
    Combination(
        "C library",
        WARNING,
        "this Linux has no glibc (Alpine?), and Paddle has no packages for others",
        "use a Debian or Ubuntu image",
        lambda versions: sys.platform == "linux" and platform.libc_ver()[0] != "glibc",
    ),
    Combination(
        "LD_PRELOAD",
        WARNING,
        "another allocator than glibc's is preloaded; compiled steps are tuned for glibc's and need more memory",
        "unset LD_PRELOAD",
        lambda versions: any(name in os.environ.get("LD_PRELOAD", "") for name in ("jemalloc", "tcmalloc", "mimalloc")),
    ),
)


def packages() -> Iterator[Finding]:
    """Yield a finding for ppvsr and for each package that it needs or can use."""
    yield Finding("ppvsr", OK, __version__)
    for need in NEEDS:
        name = next((name for name in (need.package, *need.others) if _text(name)), None)
        if name is None:
            yield Finding(need.package, need.level, "not installed", need.advice)
            continue
        version = _text(name) or ""
        named = version if name == need.package else f"{name} {version}"
        least = ".".join(map(str, need.least))
        if parse(version) < need.least and parse(version) > (0, 0, 0):  # builds from source may call themselves 0.0.0
            yield Finding(need.package, need.level, f"{named}, too old: {least} or newer is needed", need.advice)
        else:
            yield Finding(need.package, OK, named)


def combinations() -> Iterator[Finding]:
    """Yield a finding for each known bad combination that is there."""
    versions = installed()
    for row in KNOWN_BAD:
        if row.applies(versions):
            yield Finding(row.name, row.level, row.text, row.advice)


def installed() -> dict[str, tuple[int, ...]]:
    """Return the versions of the packages that the tables name, as far as they are installed."""
    names = {name for need in NEEDS for name in (need.package, *need.others)}
    return {name: parse(version) for name in sorted(names) if (version := _text(name))}


def parse(version: str) -> tuple[int, ...]:
    """Return the numbers at the start of a version: 3.3.1rc0 is (3, 3, 1)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _text(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
