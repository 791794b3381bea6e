"""A short film and a picture that show what a long run would give: bicubic left of a moving line, ours right of it."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ppvsr.assemble.chain import context_of, plan_chain
from ppvsr.assemble.making import Result, account, cuts, expected, intend, ready, tell
from ppvsr.assemble.order import Order
from ppvsr.assemble.reporting import Reporter
from ppvsr.enhance.production import LARGE, SMALL, in_pieces
from ppvsr.enhance.threads import Outbox, prefetch
from ppvsr.enhance.wipe import preview
from ppvsr.errors import UsageError
from ppvsr.video.frames import Image
from ppvsr.video.images import write_png
from ppvsr.video.moment import Moment
from ppvsr.video.open import open_sink, open_source
from ppvsr.whole import written_whole

SUFFIX = "_preview"  # in the names of previews


def make_preview(order: Order, at: Moment, reporter: Reporter, *, device: str | None, dry_run: bool) -> Result:
    """Make both, beside the place of the film itself. Raises what `enhance_video` raises."""
    if order.start is not None or order.frames is not None:
        raise UsageError("--preview says itself which part of the film is shown; leave --start and --frames out")
    with open_source(order.source, rate=order.rate) as film:
        frames = max(math.ceil(at.seconds * film.info.rate), 1)
    order = replace(order, start=at.start, frames=frames)
    with open_source(order.source, start=order.start, frames=order.frames, rate=order.rate) as film:
        info = film.info
        goal = intend(order, film, reporter, device, SUFFIX)
        links = list(plan_chain(order.stages, info, order.cut, encoded=goal.encoded))
        tell(links, reporter)
        if dry_run:
            return Result(goal.path, 0, None)
        told = len(film.notes)
        enhance = in_pieces(
            cuts(order, info, lambda line: None),
            ready(order, links, info, reporter),
            size=order.segment,
            context=context_of(links),
        )
        picture = goal.path.with_name(f"{goal.path.name if goal.container == 'png' else goal.path.stem}.png")
        total = expected(order, info)
        reporter.progress(0, total)
        began = time.perf_counter()
        with (
            open_sink(goal.path, info, container=goal.container, encoding=order.encoding) as sink,
            closing(prefetch(film, SMALL)) as decoded,
            Outbox(sink.write, LARGE) as box,
        ):
            count = 0
            for frame in preview(decoded, enhance, seconds=at.seconds, still=lambda image: _save(picture, image)):
                box.put(frame)
                count += 1
                reporter.progress(count, total)
        for line in [*film.notes[told:], *sink.notes]:
            reporter.say(line)
        reporter.say(f"{picture}: bicubic on the left, {order.names} on the right")
        reporter.say(account(goal, count, count, time.perf_counter() - began))
        return Result(goal.path, count, film.damage)


def _save(path: Path, image: Image) -> None:
    with written_whole(path) as unfinished:
        write_png(unfinished, image)
