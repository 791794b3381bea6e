"""Measure enhanced clips against the truth, one frame at a time: memory does not grow with the clip's length."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ppvsr.data.frames import Clip, Frames
from ppvsr.data.pictures import write_picture
from ppvsr.errors import DataError, PpvsrError
from ppvsr.flicker import find_motion, warping_error
from ppvsr.metrics import IDENTICAL, PSNR, SSIM, Picture
from ppvsr.train.usage import device_peak, resident_peak

if TYPE_CHECKING:
    from ppvsr.train.ranks import Ranks  # needs Paddle, which measuring files does not

Runner = Callable[[Frames], Iterator[Picture]]
"""The low-resolution frames of a clip -> their enlarged pictures (h, w, 3), in order, one for one."""
Metric = Callable[[Picture, Picture], float]
Report = Callable[[int, int, str], None]
"""Hears how many frames are done, of how many, and the clip's name; frames of this process only."""

FLICKER = ("warping_error", "truth_warping_error")
SECONDS = "(seconds)"  # beside the metrics, whose names come from configs
WORST = "psnr"  # the metric of which every frame is kept: a mean hides one that is ruined


class Clips(Protocol):
    """Clips by number, such as a prepared `ppvsr.data.frames.Dataset`."""

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
