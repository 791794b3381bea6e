"""What is to be made of a video, where it goes, and whether an earlier run was asked for the same."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

from ppvsr import __version__
from ppvsr.enhance.finish import Finish, turned
from ppvsr.enhance.network import Cut, Engine, Link, Stage, plan_chain, scale_of
from ppvsr.errors import UsageError
from ppvsr.video.encoder import MUXERS, Encoding, check_encoder
from ppvsr.video.frames import VideoInfo
from ppvsr.video.muxer import choose_container
from ppvsr.video.open import images_at
from ppvsr.video.scenes import SceneOptions
from ppvsr.video.workdir import NAME, check_apart, check_target, read_ledger, target_path, work_path
from ppvsr.weights.zoo import Weights

# ---- What is to be made of a film, in one value.


@dataclass(frozen=True)
class Order:
    """Everything that decides about the pictures; the fields are those of `enhance_video`, grouped."""

    source: str | Path
    output: Path
    stages: Sequence[Stage]
    cut: Cut
    engine: Engine
    container: str
    encoding: Encoding
    rate: Fraction | None
    start: Fraction | None
    frames: int | None
    scenes: SceneOptions
    finish: Finish
    segment: int

    def __post_init__(self) -> None:
        if self.segment < 1:
            raise UsageError(f"segment {self.segment}: must be at least 1 frame")

    @property
    def names(self) -> str:
        """The variants that were asked for."""
        return ", ".join(stage.variant.name for stage in self.stages)

    def options(self) -> dict[str, Any]:
        """Return, by name, all but names, networks, and what only decides how fast and in how much memory they run."""
        names = [each.name for each in fields(self) if each.name not in ("source", "output", "stages", "cut", "engine")]
        cut = {"num_frames": self.cut.num_frames, "overlap": self.cut.overlap, "streaming": self.cut.streaming}
        return {**cut, "backend": self.engine.backend, **{name: getattr(self, name) for name in names}}


# ---- Where a film goes, as what, and how large: decided and checked before any work.

CONTAINERS = ("auto", *MUXERS, "png")
OTHER_ENDINGS = {"avi", "flv", "m2ts", "m4v", "mpeg", "mpg", "mts", "ogv", "ts", "wmv"}  # not meant as folders


@dataclass(frozen=True)
class Target:
    """A film that shall be. size: width and height.  remarks: lines for the user."""

    path: Path
    container: str
    size: tuple[int, int]
    remarks: tuple[str, ...]

    @property
    def encoded(self) -> bool:
        """Whether frames become a film, not pictures."""
        return self.container != "png"

    @property
    def shape(self) -> str:
        """The size for people: 1280x720."""
        return "{}x{}".format(*self.size)


def choose_target(info: VideoInfo, order: Order, suffix: str = "") -> Target:
    """Return the target that an order's output and container mean for its source.

    suffix: what is added to its name.  Raises UsageError for one that cannot be.
    """
    container, reason = _container(info, order.output, order.container)
    path = target_path(info.path, order.output, [stage.variant.name for stage in order.stages], container)
    if suffix:
        ending = "" if container == "png" else path.suffix
        path = path.with_name(f"{path.name.removesuffix(ending)}{suffix}{ending}")
        check_apart(info.path, path)
    sides = info.width, info.height, scale_of(order.stages)
    size = order.finish.size(*sides, turned=turned(info))
    remarks = [*check_encoder(order.encoding, container, info, size), *order.finish.notes(*sides, turned=turned(info))]
    check_target(path, container, make_folder=False)
    return Target(path, container, size, tuple(filter(None, [reason, *remarks])))


def _container(info: VideoInfo, output: Path, wanted: str) -> tuple[str, str | None]:
    ending = output.suffix.lower().removeprefix(".")
    if wanted not in CONTAINERS:
        raise UsageError(f"container {wanted!r}: there are {', '.join(CONTAINERS)}")
    if ending in OTHER_ENDINGS and not output.is_dir():
        raise UsageError(
            f"{output}: films are written as {', '.join(MUXERS)}, not as {ending}; choose another --output"
        )
    if output.is_dir() or ending not in MUXERS:
        return choose_container(info, wanted)
    if wanted not in ("auto", ending):
        raise UsageError(f"--container {wanted} and --output {output} contradict each other; leave one of them out")
    return ending, None


# ---- What makes two runs the same run: one that was interrupted goes on only if all of this is equal.

ENDS = 2**20  # bytes at either end of a film that are compared: all of it would take minutes
PACKAGES = (
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "paddlepaddle",
    "paddlepaddle-gpu",
    "av",
)  # whose version decides the result


def identity_of(source: Path, stages: Sequence[Stage], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run as JSON values: its input, networks, options and the versions of what makes it.

    options: by the names of their flags; dataclasses are taken apart, of a file its content counts.
    Raises UsageError when a file cannot be read.
    """
    try:
        return {
            "input": _input(source),
            "networks": [{"variant": each.variant.name, "weights": _weights(each.weights)} for each in stages],
            "options": {name: _plain(value) for name, value in options.items()},
            "versions": dict(_versions()),
        }
    except OSError as error:
        raise UsageError(f"{error.filename or source}: cannot be read: {error.strerror}") from error


def _input(source: Path) -> dict[str, Any]:
    files = images_at(source) or [source]
    stats = [each.stat() for each in files]
    facts = [f"{each.name} {stat.st_size}" for each, stat in zip(files, stats, strict=True)]
    facts += [_ends(files[0]), _ends(files[-1])]
    if len(files) > 1:  # pictures often have one size, and black ones at both ends
        facts += [str(stat.st_mtime_ns) for stat in stats]
    digest = hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()
    return {"name": source.name, "files": len(files), "bytes": sum(stat.st_size for stat in stats), "digest": digest}


def _ends(path: Path) -> str:
    """Return a digest of the first and the last bytes of a file."""
    with path.open("rb") as file:
        first = file.read(ENDS)
        file.seek(max(os.fstat(file.fileno()).st_size - ENDS, 0))
        return hashlib.sha256(first + file.read(ENDS)).hexdigest()


def _weights(weights: Weights | Path | None) -> Any:
    if isinstance(weights, Weights):
        return " ".join([weights.name, (weights.sha256 or "")[:16]]).strip()
    return _plain(weights)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Path):
        return f"{value.name} {hashlib.sha256(value.read_bytes()).hexdigest()[:16]}"
    return (
        str(value) if isinstance(value, Fraction) else list(map(_plain, value)) if isinstance(value, tuple) else value
    )


def _versions() -> list[tuple[str, str]]:
    found = [("ppvsr", __version__)]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


# ---- How the work that an earlier run began was planned: the plan depends on the free memory, and shall stay the same.

PLANNED = ("window", "overlap", "tile", "peak", "streaming", "wanted")


def plan_as_before(
    goal: Target, order: Order, info: VideoInfo, identity: dict[str, Any], *, overwrite: bool
) -> tuple[list[Link], dict[str, Any]]:
    """Return the networks, planned as when the work for `goal` began, and the identity with these plans in it.

    Where there is no such work, or it is another run's, or with `overwrite`, they are planned for the memory of now.
    Raises PpvsrError when that does not suffice, UsageError when what is left of the work is damaged.
    """
    plans = None if overwrite else _plans(goal.path, identity)
    cut = order.cut if plans is None else replace(order.cut, memory=sys.maxsize)  # there was enough then
    links = list(plan_chain(order.stages, info, cut, encoded=goal.encoded))
    if plans is not None:
        links = _replanned(links, plans, work_path(goal.path) / NAME)
    return links, {**identity, "plans": [{name: getattr(link.plan, name) for name in PLANNED} for link in links]}


def _plans(path: Path, identity: dict[str, Any]) -> Any:
    """Return the plans in the ledger of the work for `path`, None when this is not the run that began it."""
    ledger = read_ledger(work_path(path))
    found = dict(ledger.identity) if ledger else {}
    plans = found.pop("plans", None)
    return plans if plans and found == json.loads(json.dumps(identity)) else None


def _replanned(links: list[Link], plans: Any, ledger: Path) -> list[Link]:
    try:
        kept = [{**{name: each[name] for name in PLANNED}, "tile": tuple(each["tile"])} for each in plans]
        return [replace(link, plan=replace(link.plan, **plan)) for link, plan in zip(links, kept, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{ledger}: is damaged and cannot be gone on with; --overwrite starts anew") from error
