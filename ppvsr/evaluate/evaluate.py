"""Measure enhanced clips against the truth, one frame at a time, and tell people and programs the scores."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ppvsr.data.clips import Clip, Frames, write_picture
from ppvsr.errors import DataError, PpvsrError
from ppvsr.evaluate.metrics import IDENTICAL, PSNR, SSIM, Picture, find_motion, warping_error
from ppvsr.system.files import written_whole
from ppvsr.system.machine import device_peak, resident_peak

if TYPE_CHECKING:
    from ppvsr.system.ranks import Ranks


# ---- Measure enhanced clips against the truth, one frame at a time: memory does not grow with the clip's length.

Runner = Callable[[Frames], Iterator[Picture]]
"""The low-resolution frames of a clip -> their enlarged pictures (h, w, 3), in order, one for one."""
Metric = Callable[[Picture, Picture], float]
Report = Callable[[int, int, str], None]
"""Hears how many frames are done, of how many, and the clip's name; frames of this process only."""

FLICKER = ("warping_error", "truth_warping_error")
SECONDS = "(seconds)"  # beside the metrics, whose names come from configs
WORST = "psnr"  # the metric of which every frame is kept: a mean hides one that is ruined


class Clips(Protocol):
    """Clips by number, such as a prepared `ppvsr.data.clips.Dataset`."""

    def __len__(self) -> int: ...

    def clip(self, index: int) -> Clip:
        """The clip; nothing is read yet."""


@dataclass(frozen=True)
class ClipScore:
    """One clip's result.

    frames: that were measured.  values: metric -> mean over them.  seconds: that the runner took for a frame,
    reading included.  by_frame: number of a frame, from 0 -> its PSNR; empty where that is no metric.
    """

    clip: str
    frames: int
    values: dict[str, float]
    seconds: float
    by_frame: dict[int, float] = field(default_factory=dict)

    @property
    def worst(self) -> tuple[int, float] | None:
        """The number and the PSNR of the worst frame, the first of equal ones."""
        return min(self.by_frame.items(), key=lambda item: item[1], default=None)


@dataclass(frozen=True)
class Scores:
    """The result of an evaluation.

    mean: metric -> mean over the clips of each clip's mean.
    peak_bytes: the highest use of memory by one process since it began.  device_bytes: the same on the GPU, else 0.
    """

    clips: tuple[ClipScore, ...]
    mean: dict[str, float]
    peak_bytes: int
    device_bytes: int = 0

    @property
    def worst(self) -> tuple[ClipScore, int, float] | None:
        """The clip, the number and the PSNR of the worst frame of all."""
        found = ((clip, *clip.worst) for clip in self.clips if clip.worst)
        return min(found, key=lambda each: each[2], default=None)


def standard_metrics(*, crop_border: int = 0, y: bool = False) -> dict[str, Metric]:
    """Return PSNR and SSIM under the names of the configs; y: on BT.601 luma instead of RGB."""
    return {
        "psnr": PSNR(crop_border=crop_border, test_y_channel=y),
        "ssim": SSIM(crop_border=crop_border, test_y_channel=y),
    }


def evaluate(
    run: Runner,
    clips: Clips,
    metrics: Mapping[str, Metric],
    *,
    frames: Literal["all", "middle"] = "all",
    flicker: bool = False,
    pictures: Path | None = None,
    report: Report = lambda done, total, clip: None,
    ranks: Ranks | None = None,
) -> Scores:
    """Run every clip and measure it: mean over its frames, then mean over the clips.

    frames: measure all, or only the middle one: of 7 the fourth.  flicker: the warping error of the result and of the
    truth, too, always over all frames.  pictures: write what is measured to `<pictures>/<clip>/<frame from 0>.png`.
    An infinite value counts as 100 (dB): one perfect frame must not hide all others.

    With `ranks`, clip i is run by rank i % world; all ranks must call this, and get the same scores.
    Raises DataError, which names the clip, when the result and the truth differ in size or number of frames.
    """
    rank, world = (ranks.rank, ranks.world) if ranks else (0, 1)
    all_clips = [clips.clip(index) for index in range(len(clips))]
    names = [*metrics, *(FLICKER if flicker else ())]
    columns = {name: column for column, name in enumerate([*names, SECONDS])}
    sums, counts = np.zeros((2, len(all_clips), len(columns)))
    longest = max((len(clip.gt) for clip in all_clips), default=0) if WORST in metrics else 0
    series, known = np.zeros((2, len(all_clips), longest))  # a number a frame, and whether there is one
    peaks = np.zeros((world, 2))
    total = sum(len(clip.gt) for clip in all_clips[rank::world])
    done = 0
    for index in range(rank, len(all_clips), world):
        clip = all_clips[index]
        for number, values in enumerate(_measure(run, clip, metrics, frames, flicker, pictures)):
            for name, value in values.items():
                finite = IDENTICAL if value == math.inf else value
                sums[index, columns[name]] += finite
                counts[index, columns[name]] += 1
                if name == WORST:
                    series[index, number], known[index, number] = finite, 1
            done += 1
            report(done, total, clip.key)
    peaks[rank] = resident_peak(), device_peak()
    if ranks:  # every row was filled by one rank, and is zero on the others
        sums, counts, series, known, peaks = (ranks.total(array) for array in (sums, counts, series, known, peaks))
    rows = zip(all_clips, sums, counts, series, known, strict=True)
    scores = tuple(_score(clip.key, names, *row) for clip, *row in rows)
    return Scores(scores, _mean(names, scores), *(int(peak) for peak in peaks.max(axis=0)))


def _measure(
    run: Runner,
    clip: Clip,
    metrics: Mapping[str, Metric],
    frames: Literal["all", "middle"],
    flicker: bool,
    pictures: Path | None,
) -> Iterator[dict[str, float]]:
    """Yield, for every frame, the seconds that the runner took, and what was measured on it."""
    count = len(clip.gt)
    if len(clip.lq) != count:
        raise DataError(
            f"{clip.key}: {len(clip.lq)} frames to be measured against {count} of the truth; give equal parts"
        )
    before: tuple[Picture, Picture] | None = None
    arrived = 0
    for index, (image, seconds) in enumerate(_timed(run(clip.lq))):
        arrived = index + 1
        measured = frames == "all" or index == count // 2  # of a mirrored clip of 2 * count frames, that is t // 4
        values = {SECONDS: seconds}
        if index < count and (measured or flicker):
            truth = clip.gt[index]
            _check_size(clip.key, index, image, truth)
            if measured:
                values.update((name, _apply(metric, image, truth, clip.key)) for name, metric in metrics.items())
            if flicker and before:
                motion = find_motion(before[1], truth)
                pairs = zip(before, (image, truth), strict=True)
                values.update(zip(FLICKER, (warping_error(*pair, motion) for pair in pairs), strict=True))
            before = image, truth
        if measured and pictures:
            _write(pictures / clip.key / f"{index:08d}.png", image)
        yield values
    if arrived != count:
        raise DataError(
            f"{clip.key}: {arrived} frames came out, the truth has {count}; frames must be enlarged one for one"
        )


def _timed(stream: Iterator[Picture]) -> Iterator[tuple[Picture, float]]:
    while True:
        began = time.perf_counter()
        image = next(stream, None)
        if image is None:
            return
        yield image, time.perf_counter() - began


def _check_size(key: str, index: int, image: Picture, truth: Picture) -> None:
    if image.shape != truth.shape:
        sizes = [f"{width}x{height}" for height, width in (image.shape[:2], truth.shape[:2])]
        raise DataError(
            f"{key}, frame {index}: the result is {sizes[0]}, but the truth is {sizes[1]}; sizes must agree"
        )


def _apply(metric: Metric, image: Picture, truth: Picture, key: str) -> float:
    try:
        return metric(image, truth)
    except ValueError as error:  # pictures too small for the metric's options
        raise DataError(f"{key}: {error}") from error


def _score(
    key: str,
    names: list[str],
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
    series: NDArray[np.float64],
    known: NDArray[np.float64],
) -> ClipScore:
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    values = {name: float(means[i]) for i, name in enumerate(names) if counts[i]}
    by_frame = {int(number): float(series[number]) for number in np.flatnonzero(known)}
    return ClipScore(key, int(counts[0] if len(names) else counts[-1]), values, float(means[-1]), by_frame)


def _mean(names: list[str], clips: tuple[ClipScore, ...]) -> dict[str, float]:
    """Mean over the clips; a clip of one frame has no warping error and is left out of that mean."""
    columns = {name: [clip.values[name] for clip in clips if name in clip.values] for name in names}
    return {name: float(np.mean(column)) for name, column in columns.items() if column}


def _write(path: Path, image: Picture) -> None:
    try:
        write_picture(path, image)
    except OSError as error:
        raise PpvsrError(f"{path}: cannot be written: {error.strerror or error}") from error


# ---- Scores for people and for programs: a table, results.json, results.csv.

TITLES = {"psnr": "PSNR", "ssim": "SSIM", "warping_error": "warping", "truth_warping_error": "truth's warping"}
SECONDS_TITLE = "s/frame"
UNDER = 0.05  # dB of PSNR by which a frame must be worse to count as under another's


def write_json(
    path: Path, scores: Scores, about: Mapping[str, Any], beside: Mapping[str, Scores] | None = None
) -> None:
    """Write what was measured (`about`), `clips`, `mean`, `worst` and the peaks of memory; complete or not there.

    Beside the values of each clip stand its worst frame (`worst`: PSNR, `worst_frame`: its number) and, where others
    are beside it, `under`: name -> share of frames that are more than UNDER dB worse.
    beside: name -> scores of others on the same clips, under `beside`.  Raises PpvsrError when it cannot be written.
    """
    tree = {**about, **_tree(scores, beside or {})}
    if beside:
        tree["beside"] = {name: _tree(each, {}) for name, each in beside.items()}
    _write_text(path, json.dumps(tree, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path, scores: Scores, name: str = "", beside: Mapping[str, Scores] | None = None) -> None:
    """Write a row for each clip and one for the mean, with the columns by, clip, frames, the metrics, seconds.

    Then, if PSNR is among them, worst, worst_frame (in the row of the mean NUMBER of CLIP) and, for each of `beside`,
    under_<name>, see `write_json`.
    name: whose scores these are; beside: those of others.  Raises PpvsrError when it cannot be written.
    """
    metrics = list(scores.mean)
    others = dict(beside or {}) if scores.worst else {}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    extra = ["worst", "worst_frame", *(f"under_{each.lower()}" for each in others)] if scores.worst else []
    writer.writerow(["by", "clip", "frames", *metrics, "seconds", *extra])
    for by, row, least in _rows(scores, name, beside):
        cells = [by, row.clip, row.frames, *(row.values.get(each, "") for each in metrics), row.seconds]
        if extra:
            shares = [least.under.get(each, "") for each in others]
            cells += ["" if least.value is None else least.value, least.frame, *shares]
        writer.writerow(cells)
    _write_text(path, text.getvalue())


def table(scores: Scores, name: str = "", beside: Mapping[str, Scores] | None = None) -> str:
    """Return the lines to print: a clip each, the mean last. name, beside: as for `write_csv`."""
    metrics = list(scores.mean)
    others = dict(beside or {}) if scores.worst else {}
    extra = ["worst", "in frame", *(f"under {each}" for each in others)] if scores.worst else []
    lines = [["clip", "by", "frames", *(TITLES.get(each, each) for each in metrics), *extra, SECONDS_TITLE]]
    for by, row, least in _rows(scores, name, beside):
        numbers = [f"{row.values[each]:.4f}" if each in row.values else "-" for each in metrics]
        if extra:
            numbers += ["-" if least.value is None else f"{least.value:.4f}", least.frame or "-"]
            numbers += [f"{least.under[each]:.2%}" if each in least.under else "-" for each in others]
        lines.append([row.clip, by, str(row.frames), *numbers, f"{row.seconds:.4f}"])
    words = 2  # columns that stand on the left
    if not name and not beside:
        lines = [[line[0], *line[2:]] for line in lines]
        words = 1
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


@dataclass(frozen=True)
class _Least:
    """The worst frame of a row, and the shares of frames under those of others."""

    value: float | None
    frame: str
    under: Mapping[str, float]


def _rows(scores: Scores, name: str, beside: Mapping[str, Scores] | None) -> Iterator[tuple[str, ClipScore, _Least]]:
    """Yield (whose, clip's score, its worst) clip by clip, so that rivals stand together, then the means."""
    others = beside or {}
    for index, clip in enumerate(scores.clips):
        yield name, clip, _least(clip, {by: _under(clip, each.clips[index]) for by, each in others.items()})
        yield from ((by, each.clips[index], _least(each.clips[index], {})) for by, each in others.items())
    for by, each, rivals in ((name, scores, others), *((by, each, {}) for by, each in others.items())):
        where = f"{each.worst[1]} of {each.worst[0].clip}" if each.worst else ""
        yield by, _mean_row(each), _Least(each.worst[2] if each.worst else None, where, _shares(each, rivals))


def _least(clip: ClipScore, under: Mapping[str, float | None]) -> _Least:
    number, value = clip.worst or (None, None)
    known = {name: share for name, share in under.items() if share is not None}
    return _Least(value, "" if number is None else str(number), known)


def _tree(scores: Scores, others: Mapping[str, Scores]) -> dict[str, Any]:
    """Return scores as JSON has them: the worst frame of each clip instead of all."""
    tree = asdict(scores)
    for index, (each, clip) in enumerate(zip(tree["clips"], scores.clips, strict=True)):
        del each["by_frame"]
        if clip.worst:
            each["worst_frame"], each["worst"] = clip.worst
        if under := _least(clip, {name: _under(clip, other.clips[index]) for name, other in others.items()}).under:
            each["under"] = under
    if scores.worst:
        clip, number, value = scores.worst
        tree["worst"] = {"clip": clip.clip, "frame": number, "value": value}
    if under := _shares(scores, others):
        tree["under"] = under
    return tree


def _under(clip: ClipScore, other: ClipScore) -> float | None:
    """Return the share of frames that are worse than another's; None where they were not both measured."""
    below = [
        value < other.by_frame[number] - UNDER for number, value in clip.by_frame.items() if number in other.by_frame
    ]
    return sum(below) / len(below) if below else None


def _shares(scores: Scores, others: Mapping[str, Scores]) -> dict[str, float]:
    """Return the shares of all frames, whatever their clip."""
    found = {}
    for name, other in others.items():
        pairs = [(clip, _under(clip, rival)) for clip, rival in zip(scores.clips, other.clips, strict=True)]
        parts = [(len(clip.by_frame), share) for clip, share in pairs if share is not None]
        if parts:
            found[name] = sum(count * share for count, share in parts) / sum(count for count, _ in parts)
    return found


def _mean_row(scores: Scores) -> ClipScore:
    count = len(scores.clips)
    seconds = sum(clip.seconds for clip in scores.clips) / count if count else 0.0
    return ClipScore("mean", sum(clip.frames for clip in scores.clips), scores.mean, seconds)


def _write_text(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise PpvsrError(f"{path}: cannot be written: {error.strerror or error}; choose another folder") from error
