"""Scores for people and for programs: a table, results.json, results.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ppvsr.errors import PpvsrError
from ppvsr.train.evaluate import ClipScore, Scores
from ppvsr.whole import written_whole

TITLES = {"psnr": "PSNR", "ssim": "SSIM", "warping_error": "warping", "truth_warping_error": "truth's warping"}
SECONDS = "s/frame"


def write_json(
    path: Path, scores: Scores, about: Mapping[str, Any], beside: Mapping[str, Scores] | None = None
) -> None:
    """Write what was measured (`about`), `clips`, `mean` and the peaks of memory; the file is complete or not there.

    beside: name -> scores of others on the same clips, under `beside`.  Raises PpvsrError when it cannot be written.
    """
    tree = {**about, **asdict(scores), "beside": {name: asdict(each) for name, each in (beside or {}).items()}}
    if not beside:
        del tree["beside"]
    _write(path, json.dumps(tree, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path, scores: Scores, name: str = "", beside: Mapping[str, Scores] | None = None) -> None:
    """Write a row for each clip and one for the mean, with the columns by, clip, frames, the metrics, seconds.

    name: whose scores these are; beside: those of others.  Raises PpvsrError when it cannot be written.
    """
    metrics = list(scores.mean)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["by", "clip", "frames", *metrics, "seconds"])
    for by, row in _rows(scores, name, beside):
        writer.writerow([by, row.clip, row.frames, *(row.values.get(each, "") for each in metrics), row.seconds])
    _write(path, text.getvalue())


def table(scores: Scores, name: str = "", beside: Mapping[str, Scores] | None = None) -> str:
    """Return the lines to print: a clip each, the mean last. name, beside: as for `write_csv`."""
    metrics = list(scores.mean)
    lines = [["clip", "by", "frames", *(TITLES.get(each, each) for each in metrics), SECONDS]]
    for by, row in _rows(scores, name, beside):
        numbers = (f"{row.values[each]:.4f}" if each in row.values else "-" for each in metrics)
        lines.append([row.clip, by, str(row.frames), *numbers, f"{row.seconds:.4f}"])
    if not name and not beside:
        lines = [[line[0], *line[2:]] for line in lines]
    words = 1 if len(lines[0]) == len(metrics) + 3 else 2  # columns that stand on the left
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _rows(scores: Scores, name: str, beside: Mapping[str, Scores] | None) -> Iterator[tuple[str, ClipScore]]:
    """Yield (whose, clip's score) clip by clip, so that rivals stand together, then the means."""
    named = [(name, scores), *(beside or {}).items()]
    for rows in zip(*([*each.clips, _mean(each)] for _, each in named), strict=True):
        for (by, _), row in zip(named, rows, strict=True):
            yield by, row


def _mean(scores: Scores) -> ClipScore:
    count = len(scores.clips)
    seconds = sum(clip.seconds for clip in scores.clips) / count if count else 0.0
    return ClipScore("mean", sum(clip.frames for clip in scores.clips), scores.mean, seconds)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise PpvsrError(f"{path}: cannot be written: {error.strerror or error}; choose another folder") from error
