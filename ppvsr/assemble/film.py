"""From a film's path and a variant's name to a finished film."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from ppvsr.assemble.stages import Backend, Cut, Engine, Stage, choose_stages, make_enhancer, plan_stage
from ppvsr.enhance.pipeline import transfer
from ppvsr.enhance.plan import Plan
from ppvsr.errors import UsageError
from ppvsr.framework import use_device
from ppvsr.video.containers import choose_container
from ppvsr.video.encoder import MUXERS, Encoding, check_encoder
from ppvsr.video.frames import VideoInfo
from ppvsr.video.names import check_target, target_path
from ppvsr.video.open import open_sink, open_source

CONTAINERS = ("auto", *MUXERS, "png")
OTHER_ENDINGS = {"avi", "flv", "m2ts", "m4v", "mpeg", "mpg", "mts", "ogv", "ts", "wmv"}  # not meant as folders


class Reporter(Protocol):
    """Somebody who wants to know how the work goes on."""

    def say(self, line: str) -> None:
        """Hear a line about what will be done, or was done."""

    def progress(self, done: int, total: int | None) -> None:
        """Hear that so many frames, of so many if that is known, are finished."""


class Silence:
    """A reporter that tells nobody."""

    def say(self, line: str) -> None:
        """Ignore the line."""

    def progress(self, done: int, total: int | None) -> None:
        """Ignore the number."""


@dataclass(frozen=True)
class Result:
    """What became of a film: where it is, how many frames it has, and what was lost of the source, if anything."""

    path: Path
    frames: int
    damage: str | None


def enhance_video(
    source: str | Path,
    target: str | Path,
    variant: str | Sequence[str] = "PPMSVSR",
    weights: str | Path | Mapping[str, str | Path] | None = None,
    *,
    num_frames: int | None = None,
    overlap: int | None = None,
    memory: int | None = None,
    device: str | None = None,
    container: str = "auto",
    encoding: Encoding | None = None,
    rate: Fraction | None = None,
    start: Fraction | None = None,
    frames: int | None = None,
    dry_run: bool = False,
    backend: Backend = "auto",
    threads: int | None = None,
    reporter: Reporter | None = None,
) -> Result:
    """Make a film four times larger; sound, subtitles, timing and tags are kept.

    source: a film, a folder of images, or a pattern of images.  target: a film's name, or a folder for it.
    variant: one network of `ppvsr.VARIANTS`, or several that run one after the other.  weights: a row of the table or a
    file, for all of them, or a mapping from variant to that.  num_frames, overlap: the windows.  memory: bytes that may
    be used.  rate: of a folder of images.  start, frames: seconds to leave out, frames to take.  device: "cpu", "gpu:1"
    container: auto, mp4, mkv, mov, webm or png.  encoding: an `ppvsr.video.encoder.Encoding`.  dry_run: only plan.
    backend: auto, compiled (by Paddle Inference, prepared at first use) or dygraph.  threads: of the CPU.
    reporter: hears the lines that the command prints, and the progress.

    The target appears when it is complete. Raises UsageError for what cannot be done, before Paddle is imported;
    VideoError, WeightsError and PpvsrError for what fails later.
    """
    reporter = reporter or Silence()
    encoding = encoding or Encoding()
    cut, engine = Cut(num_frames, overlap, memory), Engine(backend, threads)
    stages = choose_stages(variant, weights, cut)
    with open_source(source, start=start, frames=frames, rate=rate) as film:
        info = film.info
        target = Path(target)
        container, reason = _container(info, target, container)
        path = target_path(info.path, target, [stage.variant.name for stage in stages], container)
        scale = math.prod(stage.variant.scale for stage in stages)
        size = info.width * scale, info.height * scale
        remarks = check_encoder(encoding, container, info, size)
        check_target(path, container, make_folder=False)
        before = f"{info.width}x{info.height}, {_rate(info.rate)} frames a second"
        reporter.say(f"{info.path}: {before} -> {path}: {_size(size)}")
        for line in filter(None, [reason, *remarks, *film.notes, *map(str, stages)]):
            reporter.say(line)
        told = len(film.notes)
        if any(stage.network.arch for stage in stages):
            reporter.say(f"device: {use_device(device)}")
        plans = list(_plans(stages, info, cut, container))
        for plan, _ in plans:
            reporter.say(f"plan: {plan}")
        if dry_run:
            return Result(path, 0, None)
        enhancers = [
            make_enhancer(stage, *planned, engine, reporter.say) for stage, planned in zip(stages, plans, strict=True)
        ]
        total = _expected(info, start, frames)
        began = time.perf_counter()
        reporter.progress(0, total)
        with open_sink(path, info, container=container, encoding=encoding) as sink:
            count = transfer(film, enhancers, sink, lambda done: reporter.progress(done, total))
        seconds = time.perf_counter() - began
        for line in [*film.notes[told:], *sink.notes]:
            reporter.say(line)
        reporter.say(f"{path}: {count} frames of {_size(size)} in {seconds:.1f} s, {seconds / count:.2f} s a frame")
        return Result(path, count, film.damage)


def _container(info: VideoInfo, target: Path, wanted: str) -> tuple[str, str | None]:
    ending = target.suffix.lower().removeprefix(".")
    if wanted not in CONTAINERS:
        raise UsageError(f"container {wanted!r}: there are {', '.join(CONTAINERS)}")
    if ending in OTHER_ENDINGS and not target.is_dir():
        raise UsageError(
            f"{target}: films are written as {', '.join(MUXERS)}, not as {ending}; choose another --output"
        )
    if target.is_dir() or ending not in MUXERS:
        return choose_container(info, wanted)
    if wanted not in ("auto", ending):
        raise UsageError(f"--container {wanted} and --output {target} contradict each other; leave one of them out")
    return ending, None


def _plans(stages: Sequence[Stage], info: VideoInfo, cut: Cut, container: str) -> Iterator[tuple[Plan, Any]]:
    height, width = info.height, info.width
    for stage in stages:
        encoded = container != "png" and stage is stages[-1]
        yield plan_stage(stage, height, width, cut, bits=info.bits, encoded=encoded)
        height, width = height * stage.variant.scale, width * stage.variant.scale


def _expected(info: VideoInfo, start: Fraction | None, frames: int | None) -> int | None:
    """How many frames to expect, for the progress bar only."""
    known = info.frames
    if known is None and info.duration:
        known = round(info.duration * info.rate)
    if known and start and info.container != "images":  # a folder counts what it will give
        known = max(known - round(start * info.rate), 1)
    return min(filter(None, [known, frames]), default=None)


def _rate(rate: Fraction) -> str:
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")


def _size(size: tuple[int, int]) -> str:
    return "{}x{}".format(*size)
