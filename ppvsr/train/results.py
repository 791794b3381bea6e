"""Scores for people and for programs: a table, results.json, results.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ppvsr.errors import PpvsrError
from ppvsr.train.evaluate import ClipScore, Scores
from ppvsr.whole import written_whole

TITLES = {"psnr": "PSNR", "ssim": "SSIM", "warping_error": "warping", "truth_warping_error": "truth's warping"}
SECONDS = "s/frame"
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
    _write(path, json.dumps(tree, indent=2, ensure_ascii=False) + "\n")


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
    _write(path, text.getvalue())


def table(scores: Scores, name: str = "", beside: Mapping[str, Scores] | None = None) -> str:
    """Return the lines to print: a clip each, the mean last. name, beside: as for `write_csv`."""
    metrics = list(scores.mean)
    others = dict(beside or {}) if scores.worst else {}
    extra = ["worst", "in frame", *(f"under {each}" for each in others)] if scores.worst else []
    lines = [["clip", "by", "frames", *(TITLES.get(each, each) for each in metrics), *extra, SECONDS]]
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
        yield by, _mean(each), _Least(each.worst[2] if each.worst else None, where, _shares(each, rivals))


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
