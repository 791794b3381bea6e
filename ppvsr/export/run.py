"""What an exported network is run on: the clips of a config, measured, or a film, made larger."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from ppvsr import __version__
from ppvsr.enhance.chunks import LARGE, SMALL, Outbox, in_pieces, prefetch
from ppvsr.enhance.plan import Limits, Plan
from ppvsr.evaluate.evaluate import Scores, table, write_csv, write_json
from ppvsr.export.exported import ExportedNetwork
from ppvsr.system.machine import device_peak, format_size, resident_peak
from ppvsr.system.progress import Reporter
from ppvsr.train.experiment import read_experiment
from ppvsr.video.encoder import MUXERS, Encoding, check_encoder
from ppvsr.video.frames import VideoInfo, remark_on
from ppvsr.video.muxer import choose_container
from ppvsr.video.open import open_source
from ppvsr.video.output import open_sink
from ppvsr.video.scenes import SceneOptions, marked
from ppvsr.video.workdir import check_target, target_path

RESULTS = ("results.json", "results.csv")


def infer_clips(
    model: ExportedNetwork,
    config: str,
    overrides: Sequence[str],
    output: Path,
    reporter: Reporter,
    *,
    window: int | None = None,
    overlap: int | None = None,
) -> Scores:
    """Measure an exported network on `dataset.test` of a config, by its `validate.metrics`.

    output: a folder for results.json, results.csv and, with `validate.save_img`, the pictures.
    window, overlap: in place of `validate.window` and `validate.overlap`; by default those of the network.
    Raises UsageError, ConfigError, DataError.
    """
    experiment = read_experiment(config, overrides, training=False)
    from ppvsr.system.ranks import Ranks
    from ppvsr.train.run import Validation  # late: it needs Paddle

    validation = Validation.of(experiment, Ranks(), reporter.say)
    frames, context = model.window(window, overlap)
    options = replace(validation.options, window=frames, overlap=context)
    scores = replace(validation, options=options).measure(
        model, pictures=output / "pictures", report=lambda done, total, clip: reporter.progress(done, total)
    )
    about = {"ppvsr": __version__, "config": experiment.name, "model": str(model.path), "runs_on": model.runs_on}
    write_json(output / RESULTS[0], scores, about)
    write_csv(output / RESULTS[1], scores)
    reporter.say(table(scores))
    for name, value in scores.mean.items():
        reporter.say(f"Metric {name}: {value:.4f}")
    count = sum(clip.frames for clip in scores.clips)
    _account(reporter, count, sum(clip.frames * clip.seconds for clip in scores.clips), output)
    return scores


def infer_film(
    model: ExportedNetwork,
    source: str,
    output: Path,
    reporter: Reporter,
    *,
    frames: int | None = None,
    window: int | None = None,
    overlap: int | None = None,
) -> str | None:
    """Make a film larger by an exported network; sound, timing and tags are kept, and no window crosses a cut.

    output: the film's name, or a folder for it.  Returns what the source had lost, if anything.
    Raises UsageError for films of another size than the network takes, VideoError.
    """
    with open_source(source, frames=frames) as film:
        info = film.info
        model.check_size(info.height, info.width)
        plan = _plan(model, info, window, overlap)
        path, container, remarks = _target(model, info, output)
        windows = f"windows of {plan.window} frames with {plan.overlap} of context on either side"
        for line in [f"{info.path} -> {path}", *remarks, *film.notes, windows]:
            reporter.say(line)
        told = len(film.notes)
        from ppvsr.enhance.engine import Enhancer  # late: it needs Paddle

        mark = partial(marked, options=SceneOptions(), rate=info.rate, say=reporter.say)
        enhance = in_pieces(mark, Enhancer(model, plan), size=sys.maxsize, context=0)  # a piece is a scene
        total = min(filter(None, [info.frames, frames]), default=None)
        count, mended, began = 0, Counter[str | None](), time.perf_counter()
        with (
            open_sink(path, info, container=container) as sink,
            closing(prefetch(film, SMALL)) as decoded,
            Outbox(sink.write, LARGE) as box,
        ):
            for frame in enhance(decoded):
                box.put(frame)
                count += 1
                mended[frame.mended] += 1
                reporter.progress(count, total)
        for line in [*film.notes[told:], *sink.notes, *filter(None, [remark_on(mended, count)])]:
            reporter.say(line)
        _account(reporter, count, time.perf_counter() - began, path)
        return film.damage


def _plan(model: ExportedNetwork, info: VideoInfo, window: int | None, overlap: int | None) -> Plan:
    limits = Limits(model.min_size, model.size_multiple, model.scale)
    tile = limits.padded(info.height), limits.padded(info.width)
    return Plan(info.height, info.width, limits, *model.window(window, overlap), tile, peak=0)


def _target(model: ExportedNetwork, info: VideoInfo, output: Path) -> tuple[Path, str, list[str]]:
    """Return where a film goes, in which container, and lines for the user. Raises UsageError."""
    ending = output.suffix.lower().removeprefix(".")
    container, reason = choose_container(info, ending if ending in MUXERS and not output.is_dir() else "auto")
    path = target_path(info.path, output, [model.path.name], container)
    remarks = check_encoder(Encoding(), container, info, (info.width * model.scale, info.height * model.scale))
    check_target(path, container, make_folder=False)
    return path, container, [*filter(None, [reason]), *remarks]


def _account(reporter: Reporter, frames: int, seconds: float, where: Path) -> None:
    """Say how fast it was, and how much memory it took."""
    on_device = device_peak()
    memory = format_size(resident_peak()) + (f", {format_size(on_device)} on the device" if on_device else "")
    speed = f"{seconds / frames:.4f} s a frame, {frames / seconds:.2f} frames a second"
    reporter.say(f"{where}: {frames} frames in {seconds:.1f} s: {speed}; peak memory {memory}")
