"""The making of one film: read, planned, enhanced in pieces, put together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ppvsr.assemble.chain import Link, context_of, make_chain, scale_of
from ppvsr.assemble.earlier import plan_as_before
from ppvsr.assemble.identity import identity_of
from ppvsr.assemble.order import Order
from ppvsr.assemble.reporting import Reporter
from ppvsr.assemble.target import Target, choose_target
from ppvsr.enhance.finish import turned
from ppvsr.enhance.pipeline import Enhance
from ppvsr.enhance.production import Mark, produce
from ppvsr.framework import use_device
from ppvsr.video.frames import FrameSource, VideoInfo
from ppvsr.video.names import work_path
from ppvsr.video.open import open_source
from ppvsr.video.remains import survey
from ppvsr.video.scene_list import marked, read_scenes
from ppvsr.video.work import open_work


@dataclass(frozen=True)
class Result:
    """What became of a film: where it is, how many frames it has, and what was lost of the source, if anything."""

    path: Path
    frames: int
    damage: str | None


def make_film(order: Order, reporter: Reporter, *, device: str | None, overwrite: bool, dry_run: bool) -> Result:
    """Make a film, or go on making it. Raises what `enhance_video` raises."""
    with open_source(order.source, start=order.start, frames=order.frames, rate=order.rate) as film:
        info = film.info
        goal = intend(order, film, reporter, device)
        told = len(film.notes)
        identity = identity_of(info.path, order.stages, {**order.options(), "container": goal.container})
        links, identity = plan_as_before(goal, order, info, identity, overwrite=overwrite)
        tell(links, reporter)
        if dry_run:
            ledger, lost = survey(work_path(goal.path), identity, overwrite=overwrite)
            tell_remains(ledger.frames, lost, "would go on", reporter)
            return Result(goal.path, 0, None)
        work_of = partial(open_work, container=goal.container, encoding=order.encoding, overwrite=overwrite)
        with work_of(goal.path, info, identity=identity) as work:
            earlier = work.finished
            tell_remains(earlier, work.lost, "goes on now", reporter)
            enhance = ready(order, links, info, reporter)
            total = expected(order, info)
            reporter.progress(0, total)
            began = time.perf_counter()
            count = produce(
                film,
                cuts(order, info, reporter.say),
                enhance,
                work,
                size=order.segment,
                context=context_of(links),
                progress=lambda done: reporter.progress(done, total),
            )
            work.publish(count)
        for line in [*film.notes[told:], *work.notes]:
            reporter.say(line)
        reporter.say(account(goal, count, count - earlier, time.perf_counter() - began))
        return Result(goal.path, count, film.damage)


def intend(order: Order, film: FrameSource, reporter: Reporter, device: str | None, suffix: str = "") -> Target:
    """Decide where the result goes, and say what will be done. Imports Paddle, when it is needed, last."""
    info = film.info
    goal = choose_target(info, order, suffix)
    if order.scenes.file is not None:
        read_scenes(order.scenes.file)  # it is read again when its turn comes; a wrong one is told before any work
    rate = f"{float(info.rate):.3f}".rstrip("0").rstrip(".")
    reporter.say(f"{info.path}: {info.width}x{info.height}, {rate} frames a second -> {goal.path}: {goal.shape}")
    for line in [*goal.remarks, *film.notes, *map(str, order.stages)]:
        reporter.say(line)
    if any(stage.variant.arch for stage in order.stages):
        reporter.say(f"device: {use_device(device)}")
    return goal


def tell(links: list[Link], reporter: Reporter) -> None:
    """Say how the networks will run."""
    for link in links:
        reporter.say(f"plan: {link.plan}")


def tell_remains(finished: int, lost: int, future: str, reporter: Reporter) -> None:
    """Say how much of the film is there already. future: of that work."""
    if lost:
        reporter.say(f"{lost} frames that an earlier run finished are damaged on the disk, and made again")
    if finished:
        reporter.say(f"{finished} frames were finished by an earlier run, which {future}")


def ready(order: Order, links: list[Link], info: VideoInfo, reporter: Reporter) -> Enhance:
    """Return all that is done to the frames; loads the weights, and may compile the networks."""
    chain = make_chain(links, order.engine, reporter.say)
    return order.finish.wrap(chain, info.width, info.height, scale_of(order.stages), turned=turned(info))


def cuts(order: Order, info: VideoInfo, say: Callable[[str], Any]) -> Mark:
    """Return what tells the first frames of scenes."""
    return partial(marked, options=order.scenes, rate=info.rate, start=order.start, say=say)


def expected(order: Order, info: VideoInfo) -> int | None:
    """How many frames to expect, for the progress bar only."""
    known = info.frames
    if known is None and info.duration:
        known = round(info.duration * info.rate)
    if known and order.start and info.container != "images":  # a folder counts what it will give
        known = max(known - round(order.start * info.rate), 1)
    return min(filter(None, [known, order.frames]), default=None)


def account(goal: Target, count: int, computed: int, seconds: float) -> str:
    """Say what was made, and how fast."""
    speed = f", {seconds / computed:.2f} s a frame" if computed else ""
    return f"{goal.path}: {count} frames of {goal.shape} in {seconds:.1f} s{speed}"
