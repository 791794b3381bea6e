"""From a video, or frames in memory, and a variant's name to the enlarged ones."""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.enhance.chunks import LARGE, SMALL, Enhance, Mark, Outbox, in_pieces, prefetch, produce
from ppvsr.enhance.finish import Finish, preview, turned
from ppvsr.enhance.network import (
    Backend,
    Cut,
    Engine,
    Link,
    choose_stages,
    context_of,
    make_chain,
    make_enhancer,
    plan_chain,
    plan_stage,
    scale_of,
)
from ppvsr.enhance.request import Order, Target, choose_target, identity_of, plan_as_before
from ppvsr.errors import UsageError
from ppvsr.system.files import written_whole
from ppvsr.system.paddle import use_device
from ppvsr.system.progress import Reporter, Silence
from ppvsr.video.encoder import Encoding
from ppvsr.video.frames import Frame, FrameSource, Image, Moment, VideoInfo, remark_on
from ppvsr.video.images import write_png
from ppvsr.video.open import open_source
from ppvsr.video.output import open_sink, open_work
from ppvsr.video.scenes import SceneOptions, marked, read_scenes
from ppvsr.video.workdir import survey, work_path

# ---- The making of one film: read, planned, enhanced in pieces, put together.


@dataclass(frozen=True)
class Result:
    """What became of a video: where it is, how many frames it has, and what was lost of the source, if anything.

    mended: how many frames came out of the network unlike their source, by what was done: AGAIN, BICUBIC.
    """

    path: Path
    frames: int
    damage: str | None
    mended: Mapping[str | None, int] = field(default_factory=dict)

    @property
    def remark(self) -> str | None:
        """A line about what was mended."""
        return remark_on(self.mended, self.frames)


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
            mended = work.mended
            work.publish(count)
        for line in [*film.notes[told:], *work.notes]:
            reporter.say(line)
        reporter.say(account(goal, count, count - earlier, time.perf_counter() - began))
        return Result(goal.path, count, film.damage, mended)


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


# ---- A short film and a picture that show what a long run would give: bicubic left of a moving line, ours right of it.

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
            count, mended = 0, Counter[str | None]()
            for frame in preview(decoded, enhance, seconds=at.seconds, still=lambda image: _save(picture, image)):
                box.put(frame)
                count += 1
                mended[frame.mended] += 1
                reporter.progress(count, total)
        for line in [*film.notes[told:], *sink.notes]:
            reporter.say(line)
        reporter.say(f"{picture}: bicubic on the left, {order.names} on the right")
        reporter.say(account(goal, count, count, time.perf_counter() - began))
        return Result(goal.path, count, film.damage, mended)


def _save(path: Path, image: Image) -> None:
    with written_whole(path) as unfinished:
        write_png(unfinished, image)


# ---- From a film's path and a variant's name to a finished film.

SEGMENT = 64  # frames: what an interruption costs at most, against the context that every segment costs more


def enhance_video(
    source: str | Path,
    target: str | Path,
    variant: str | Sequence[str] = "PPMSVSR",
    weights: str | Path | Mapping[str, str | Path] | None = None,
    *,
    num_frames: int | None = None,
    overlap: int | None = None,
    memory: int | None = None,
    streaming: bool = True,
    device: str | None = None,
    container: str = "auto",
    encoding: Encoding | None = None,
    rate: Fraction | None = None,
    start: Fraction | None = None,
    frames: int | None = None,
    scenes: SceneOptions | None = None,
    finish: Finish | None = None,
    segment: int = SEGMENT,
    overwrite: bool = False,
    preview: Moment | None = None,
    dry_run: bool = False,
    backend: Backend = "auto",
    threads: int | None = None,
    reporter: Reporter | None = None,
) -> Result:
    """Make a film four times larger; sound, subtitles, timing and tags are kept.

    source: a film, a folder of images, or a pattern of images.  target: a film's name, or a folder for it.
    variant: one network of `ppvsr.VARIANTS`, or several that run one after the other.  weights: a row of the table or a
    file, for all of them, or a mapping from variant to that.  num_frames, overlap: the windows.  memory: bytes that may
    be used.  streaming: whether what was computed of a frame is used for the next ones again, where the network can.
    device: "cpu", "gpu:1".  backend: auto, compiled (by Paddle Inference, prepared at first use) or dygraph.  threads:
    of the CPU.
    rate: of a folder of images.  start, frames: seconds to leave out, frames to take.
    container: auto, mp4, mkv, mov, webm or png.  encoding: an `ppvsr.video.encoder.Encoding`.
    scenes: where the film cuts, by default found out.  finish: another size than the network's, or a milder result.
    segment: frames that are finished together. What was finished before an interruption is not computed again when the
    same call is made; overwrite starts anew.  preview: only a short film and a picture that compare with bicubic.
    dry_run: only plan.  reporter: hears the lines that the command prints, and the progress.

    The target appears when it is complete; until then `<target>.ppvsr` holds what is finished. Raises UsageError for
    what cannot be done, before Paddle is imported; VideoError, WeightsError and PpvsrError for what fails later.
    """
    cut = Cut(num_frames, overlap, memory, streaming)
    order = Order(
        source=source,
        output=Path(target),
        stages=choose_stages(variant, weights, cut),
        cut=cut,
        engine=Engine(backend, threads),
        container=container,
        encoding=encoding or Encoding(),
        rate=rate,
        start=start,
        frames=frames,
        scenes=scenes or SceneOptions(),
        finish=finish or Finish(),
        segment=segment,
    )
    reporter = reporter or Silence()
    if preview is not None:
        return make_preview(order, preview, reporter, device=device, dry_run=dry_run)
    return make_film(order, reporter, device=device, overwrite=overwrite, dry_run=dry_run)


# ---- From pictures in memory to larger pictures in memory.


def enhance_frames(
    frames: Iterable[Image],
    variant: str = "PPMSVSR",
    weights: str | Path | None = None,
    *,
    num_frames: int | None = None,
    overlap: int | None = None,
    memory: int | None = None,
    device: str | None = None,
    backend: Backend = "auto",
    threads: int | None = None,
    streaming: bool = True,
) -> Iterator[Image]:
    """Yield the frames of a clip, four times larger, one for one and in order.

    frames: RGB (h, w, 3) uint8 or uint16, all of one size; any iterable, however long.  Yields (4h, 4w, 3) of the same
    type.  variant, weights: as on the command line.  num_frames, overlap: the windows.  memory: bytes that may be used.
    backend: auto, compiled or dygraph.  threads: of the CPU.  streaming: whether networks that can go on where they
    stopped do so, instead of window by window.
    Raises UsageError at once for names that do not exist, and for frames of another form when they come; PpvsrError for
    results that are not finite, which counts frames as seconds. Frames that come out unlike their source are mended;
    at the end a UserWarning counts them.
    """
    cut, engine = Cut(num_frames, overlap, memory, streaming), Engine(backend, threads)
    (stage,) = choose_stages(variant, weights, cut)

    def checked() -> Iterator[Frame]:
        first: tuple[tuple[int, ...], np.dtype] | None = None
        for i, frame in enumerate(frames):
            image: Any = np.asarray(frame)
            first = first or (image.shape, image.dtype)
            rgb = image.ndim == 3 and image.shape[2] == 3 and image.size and image.dtype in (np.uint8, np.uint16)
            if not rgb or (image.shape, image.dtype) != first:
                form = f"{image.dtype} of {image.shape}"
                raise UsageError(f"frame {i} is {form}: frames must be RGB (h, w, 3), uint8 or uint16, all alike")
            yield Frame(image, Fraction(i))

    def enhanced() -> Iterator[Image]:
        stream = checked()
        first = next(stream, None)
        if first is None:
            return
        if stage.variant.arch:
            use_device(device)
        height, width = first.image.shape[:2]
        bits = 8 * first.image.dtype.itemsize
        enhance = make_enhancer(stage, *plan_stage(stage, height, width, cut, bits=bits, encoded=False), engine)
        mended = Counter[str | None]()
        try:
            for frame in enhance(chain([first], stream)):
                mended[frame.mended] += 1
                yield frame.image
        finally:
            if remark := remark_on(mended, mended.total()):
                warnings.warn(remark, stacklevel=2)

    return enhanced()
