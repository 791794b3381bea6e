"""Whether ppvsr can do its work on this machine, and what to do where it cannot. Imports neither Paddle nor PyAV."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ppvsr import __version__
from ppvsr.system.cache import CACHE, DAY, KINDS, cache_folder, clean, inventory
from ppvsr.system.machine import _cpuinfo, available_threads, format_size, free_memory, instructions, processor_name
from ppvsr.system.process import Ending, command, environment
from ppvsr.weights.download import BUNDLED, OFFLINE
from ppvsr.weights.zoo import VARIANTS

# ---- One line of what the doctor says.

OK, WARNING, PROBLEM = "ok", "warning", "problem"
LEVELS = (OK, WARNING, PROBLEM)


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is as it should be, what was seen, and what to do about it.

    level: `problem` is what makes films fail; `warning` costs speed or a part of what ppvsr can do.
    """

    name: str
    level: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return " ".join(f"{self.level:8} {self.name + ':':22} {self.text}{advice}".splitlines())


# ---- The machine: processor, memory, disks.

INTEL = ("x86_64", "AMD64", "i686")
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


# ---- The packages that ppvsr stands on: which there are, and which do not go together. Nothing is imported.

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


# ---- What was compiled on this machine and is kept.

LARGE = 500 * 2**20
FORGOTTEN = 30  # days
WHAT = {"programs": "compiled networks", "native": "compiled operators"}


def compiled_things() -> Iterator[Finding]:
    """Yield a finding for each folder of the cache."""
    try:
        everything = inventory()
    except OSError as error:
        yield Finding("cache", WARNING, str(error))
        return
    for kind in KINDS:
        kept = [each for each in everything if each.kind == kind]
        size = sum(each.size for each in kept)
        old = sum(each.used < time.time() - FORGOTTEN * DAY for each in kept)
        left = sum(not each.finished for each in kept)
        text = f"{sum(each.finished for each in kept)} in {cache_folder(kind)}, {format_size(size)}"
        text += f", {old} not used for {FORGOTTEN} days" if old else ""
        text += f", {left} unfinished" if left else ""
        tidy = old or left or size > LARGE
        yield Finding(WHAT[kind], WARNING if size > LARGE else OK, text, "--clean removes those" if tidy else "")


# ---- The weights that ship with ppvsr: there, and the ones that were published.

WEIGHTS_ADVICE = "install ppvsr again"


def bundled_weights() -> Iterator[Finding]:
    """Yield a finding for each bundled file, and for a folder of weights that is named but not there."""
    rows = {row.file: row for variant in VARIANTS.values() for row in variant.weights if row.file}
    for name, row in rows.items():
        path = BUNDLED / str(name)
        label = f"weights {row.name}"
        if not path.is_file():
            yield Finding(label, PROBLEM, f"{path} is missing", WEIGHTS_ADVICE)
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256:
            yield Finding(label, PROBLEM, f"{path} is not the file that was published", WEIGHTS_ADVICE)
        else:
            yield Finding(label, OK, f"{name}, {path.stat().st_size:,} bytes, intact")
    if (folder := os.environ.get(OFFLINE)) and not Path(folder).expanduser().is_dir():
        yield Finding("offline weights", WARNING, f"${OFFLINE} names {folder}, which is no folder", "correct it")


# ---- Checks that may crash, in processes of their own.

INSIDE = "ppvsr.doctor_worker"
NAMES = {
    "paddle": "Paddle",
    "films": "FFmpeg",
    "backends": "backends",
    "test_film": "test: a film",
    "test_network": "test: a network",
    "build": "building",
}
CRASH_ADVICE = "install it again, in a fresh virtual environment"


def inspect(name: str, *, patience: float, say: Callable[[str], Any] = lambda line: None) -> Iterator[Finding]:
    """Yield what the check `name` of ppvsr.doctor_worker finds, or how its process ended.

    patience: seconds.  say: hears lines of progress.
    """
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as trouble:
        child = subprocess.Popen(
            command(INSIDE, name),
            env=environment(GLOG_minloglevel="3"),  # the last line counts
            stdin=null,
            stdout=pipe,
            stderr=trouble,
            text=True,
            errors="replace",
        )
        hangs = threading.Event()
        timer = threading.Timer(patience, _end, (child, hangs))
        timer.start()
        with child:
            try:
                yield from _listen(child, say)
            except GeneratorExit:  # nobody listens any more
                child.kill()
                raise
            finally:
                timer.cancel()
        trouble.seek(0)
        ending = Ending(child.returncode, trouble.read())
    if hangs.is_set():
        yield Finding(NAMES[name], WARNING, f"no end after {patience:.0f} s", "try again when the machine is less busy")
    elif ending.code:
        yield Finding(NAMES[name], PROBLEM, _describe(ending), CRASH_ADVICE)


def _end(child: subprocess.Popen[str], hangs: threading.Event) -> None:
    hangs.set()
    child.kill()


def _listen(child: subprocess.Popen[str], say: Callable[[str], Any]) -> Iterator[Finding]:
    """Yield the findings that a child prints, one line of JSON each; what libraries print is passed over."""
    assert child.stdout
    for line in child.stdout:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict) and "say" in message:
            say(message["say"])
        elif isinstance(message, dict) and "level" in message:
            yield Finding(**message)


def _describe(ending: Ending) -> str:
    """Say how a child ended: the signal, or the last line that it wrote."""
    if ending.signal:
        return f"crashed ({ending.signal})"
    last = ending.last_line
    return f"failed: {last}" if last else f"failed with exit code {ending.code}"


# ---- Whether ppvsr can do its work on this machine, and what to do where it cannot. Needs neither Paddle nor PyAV.

Check = Callable[[], Iterable[Finding]]
BUILDING = 3600  # seconds
PATIENCE = 120  # seconds after which a check hangs; a self-test takes about five


@dataclass(frozen=True)
class Report:
    """What all checks found."""

    findings: tuple[Finding, ...]

    def count(self, level: str) -> int:
        """Return how many findings have this level."""
        return sum(each.level == level for each in self.findings)

    @property
    def works(self) -> bool:
        """Whether films can be enhanced."""
        return not self.count(PROBLEM)

    def verdict(self) -> str:
        """Return the last line."""
        warnings = self.count(WARNING)
        more = f"{warnings} warning{'s' * (warnings != 1)}"
        if self.works:
            return f"ppvsr works here, {more}" if warnings else "ppvsr works here"
        first = next(each for each in self.findings if each.level == PROBLEM)
        return f"{self.count(PROBLEM)} of these make ppvsr fail, {more}; begin with: {first.name}"

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {"works": self.works, "findings": [asdict(each) for each in self.findings]}


def build(hear: Callable[[Finding], Any], say: Callable[[str], Any]) -> Iterator[Finding]:
    """Compile what would be compiled at first use; `hear` is told each finding, `say` hears how it goes on."""
    for finding in _guarded(functools.partial(inspect, "build", patience=BUILDING, say=say)):
        hear(finding)
        yield finding


def tidy_up(days: int) -> str:
    """Remove what was compiled and not used for so many days; return a line for people. Raises OSError."""
    removed = clean(days)
    return f"removed {len(removed)} from the cache, {format_size(sum(each.size for each in removed))}"


def examine(
    output: Path,
    hear: Callable[[Finding], Any] = lambda finding: None,
    *,
    self_test: bool = True,
    before: Iterable[Finding] = (),
) -> Report:
    """Look at everything; `hear` is told each finding when it is there.

    output: where films would be written.  self_test: also run a tiny film and a tiny network, some five seconds.
    before: what was found already, for the report.
    Whatever needs Paddle, PyAV or OpenCV happens in processes of its own, since that can crash; where Paddle does not
    work, what stands on it is left out. Raises nothing.
    """
    findings = list(before)
    for check, on_paddle in _checks(output, self_test):
        if on_paddle and any(each.name == NAMES["paddle"] and each.level == PROBLEM for each in findings):
            continue
        for finding in _guarded(check):
            findings.append(finding)
            hear(finding)
    return Report(tuple(findings))


def _checks(output: Path, self_test: bool) -> Iterator[tuple[Check, bool]]:
    """Yield the checks in the order in which a reader wants to know, and whether they stand on Paddle."""
    inside = functools.partial(functools.partial, inspect, patience=PATIENCE)
    yield functools.partial(machine, output), False
    yield packages, False
    yield combinations, False
    yield inside("paddle"), False
    yield inside("films"), False
    yield inside("backends"), True
    yield compiled_things, False
    yield bundled_weights, False
    if self_test:
        yield inside("test_film"), False
        yield inside("test_network"), True


def _guarded(check: Check) -> Iterator[Finding]:
    """Yield what a check finds; that it could not be done is a finding, too."""
    try:
        yield from check()
    except Exception as error:  # a doctor does not faint
        name = getattr(getattr(check, "func", check), "__name__", "check")
        yield Finding(name, WARNING, f"could not be looked at: {type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no message").splitlines()[0]
