"""Measure results, variants and films without a config: paths and names in, a table and files out."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ppvsr import __version__
from ppvsr.assemble.film import Reporter, Silence
from ppvsr.assemble.pairs import Pairs, pair, shrunk
from ppvsr.assemble.runners import VariantRunner, as_it_is, variant_runner
from ppvsr.assemble.stages import PLAIN, Engine, Stage
from ppvsr.enhance.memory import format_size
from ppvsr.errors import UsageError
from ppvsr.train.evaluate import Runner, Scores, evaluate, standard_metrics
from ppvsr.train.results import table, write_csv, write_json
from ppvsr.weights.fetch import fetch
from ppvsr.weights.zoo import Weights

BASELINE = "Bicubic"


@dataclass(frozen=True)
class Measurement:
    """What to measure, and what to keep.

    crop_border: pixels that do not count at each edge.  y: BT.601 luma instead of RGB.  flicker: warping error, too.
    frames: the first so many of each clip.  output: folder for results.json and results.csv; None writes nothing.
    save_img: the measured pictures as well, as `<output>/pictures/<clip>/<frame>.png`.
    Raises UsageError for pictures without a folder.
    """

    crop_border: int = 0
    y: bool = False
    flicker: bool = False
    frames: int | None = None
    output: Path | None = None
    save_img: bool = False

    def __post_init__(self) -> None:
        if self.save_img and self.output is None:
            raise UsageError("--save-img needs --output, the folder to save the pictures in")


@dataclass(frozen=True)
class Run:
    """Which network runs, and how; see `ppvsr.assemble.runners.variant_runner`."""

    variant: str
    weights: str | None = None
    window: int | None = None
    overlap: int | None = None
    whole: bool = False
    memory: int | None = None
    device: str | None = None
    engine: Engine = PLAIN


def score_results(sr: Path, gt: Path, what: Measurement, reporter: Reporter | None = None) -> Scores:
    """Measure pictures or films that exist already against the truth; needs no Paddle.

    sr, gt: two folders of pictures, two folders of clip folders, or two films.
    Raises UsageError, DataError (different clips, sizes, lengths) and VideoError.
    """
    with pair(sr, gt, what.frames) as pairs:
        about = {"results": str(sr), "truth": str(gt)}
        return _measure({"": as_it_is}, pairs, what, about, reporter or Silence())


def score_variant(run: Run, lq: Path, gt: Path, what: Measurement, reporter: Reporter | None = None) -> Scores:
    """Run a variant over the clips at `lq` and measure it against those at `gt`. Raises as `score_results` does."""
    reporter = reporter or Silence()
    runner = _runner(run, reporter)
    with pair(lq, gt, what.frames) as pairs:
        about = {**_about(run, runner.stage), "low_resolution": str(lq), "truth": str(gt)}
        return _measure({run.variant: runner}, pairs, what, about, reporter)


def score_films(run: Run, films: Sequence[Path], what: Measurement, reporter: Reporter | None = None) -> Scores:
    """Shrink films by BI, let a variant and bicubic enlarge them again, and measure both against the originals.

    Returns the variant's scores; the baseline stands beside them in the table and in the files.
    """
    reporter = reporter or Silence()
    runner = _runner(run, reporter)
    runners: dict[str, Runner] = {run.variant: runner}
    if runner.stage.variant.arch:
        runners[BASELINE] = variant_runner(BASELINE)
    with shrunk(films, runner.stage.variant.scale, what.frames) as pairs:
        about = {**_about(run, runner.stage), "films": [str(film) for film in films], "degradation": "BI"}
        return _measure(runners, pairs, what, about, reporter)


def _runner(run: Run, reporter: Reporter) -> VariantRunner:
    options = {each.name: getattr(run, each.name) for each in fields(run) if each.name not in ("variant", "weights")}
    runner = variant_runner(run.variant, run.weights, **options, say=reporter.say)
    reporter.say(_describe(runner.stage))
    return runner


def _describe(stage: Stage) -> str:
    if isinstance(stage.weights, Weights):
        row = f"'{stage.weights.name}', trained on {stage.weights.trained_on}"
        return f"{stage.variant.name}: weights {row}; --weights takes another name or a file"
    return str(stage)


def _measure(
    runners: Mapping[str, Runner], pairs: Pairs, what: Measurement, about: Mapping[str, Any], reporter: Reporter
) -> Scores:
    """Evaluate the first runner and those beside it, print the table, write the files."""
    metrics = standard_metrics(crop_border=what.crop_border, y=what.y)
    pictures = what.output / "pictures" if what.output and what.save_img else None
    total = len(runners) * sum(len(pairs.clip(i).gt) for i in range(len(pairs)))
    results: dict[str, Scores] = {}
    finished = 0
    for name, run in runners.items():

        def report(done: int, expected: int, clip: str, before: int = finished) -> None:
            reporter.progress(before + done, total)

        results[name] = evaluate(
            run, pairs, metrics, flicker=what.flicker, pictures=None if results else pictures, report=report
        )
        finished += sum(clip.frames for clip in results[name].clips)
    (name, scores), *others = results.items()
    beside = dict(others)
    reporter.say(f"PSNR and SSIM on {'Y' if what.y else 'RGB'}, {what.crop_border} pixels cut at each edge")
    reporter.say(table(scores, name, beside))
    reporter.say(f"peak memory: {_peak(list(results.values()))}")
    if what.output:
        options = {key: value for key, value in asdict(what).items() if key != "output"}
        write_json(what.output / "results.json", scores, {**_versions(), **about, "measured": options}, beside)
        write_csv(what.output / "results.csv", scores, name, beside)
        reporter.say(f"{what.output}: results.json, results.csv{', pictures' if pictures else ''}")
    return scores


def _peak(results: Sequence[Scores]) -> str:
    resident, device = (max(getattr(each, name) for each in results) for name in ("peak_bytes", "device_bytes"))
    return f"{format_size(resident)}{f', {format_size(device)} on the device' if device else ''}"


def _about(run: Run, stage: Stage) -> dict[str, Any]:
    """Return what results depend on: the network, its weights to the byte, the windows."""
    about: dict[str, Any] = {"variant": stage.variant.name}
    if stage.weights is not None:
        path = stage.weights if isinstance(stage.weights, Path) else fetch(stage.weights)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256") if sys.version_info >= (3, 11) else hashlib.sha256(file.read())
        about["weights"] = {"file": str(path), "sha256": digest.hexdigest()}
    about["run"] = {name: value for name, value in asdict(run).items() if name not in ("variant", "weights")}
    return about


def _versions() -> dict[str, Any]:
    versions = {"ppvsr": __version__, "python": platform.python_version()}
    versions |= {"numpy": np.__version__, "opencv": cv2.__version__}
    if paddle := sys.modules.get("paddle"):
        versions["paddle"] = paddle.__version__
    return {"versions": versions}
