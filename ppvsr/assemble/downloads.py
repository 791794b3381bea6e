"""Data sets as they are downloaded become what the configs read: annotation files, LQ pictures, REDS in one row."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ppvsr.data import prepare_reds as reds
from ppvsr.data import prepare_vimeo as vimeo
from ppvsr.data.shrink import Job, open_job, shrink
from ppvsr.data.texts import write_text
from ppvsr.errors import UsageError

if TYPE_CHECKING:
    from ppvsr.assemble.film import Reporter

NAMED = 8  # clips or failures that are named; the others are counted
REDS_SCALE = 4


def prepare_vimeo(
    lists: Mapping[str, Path],
    images_root: Path,
    output: Path | None,
    *,
    scale: int = 4,
    workers: int | None = None,
    reporter: Reporter,
) -> int:
    """Write the annotation files of Vimeo-90K beside its lists and, with `output`, the LQ pictures.

    lists: the list of clips by kind, `train` and `test`.  images_root: GT, the folder `sequences`.  workers: processes,
    by default one per core.  What is there already is not made again. Returns how many pictures failed; raises
    UsageError for what cannot be done, DataError and PpvsrError when going on is pointless.
    """
    if not images_root.is_dir():
        raise UsageError(f"{images_root}: no such folder; --images-root is the folder `sequences` of Vimeo-90K")
    if output is not None and output.resolve() == images_root.resolve():
        raise UsageError(f"{output}: is --images-root, too; the small pictures need a folder of their own")
    keys = {kind: vimeo.read_list(path) for kind, path in lists.items()}  # all of them, before anything is written
    bad, complete = 0, []
    for kind, path in lists.items():
        present, failures = _annotate(kind, path, keys[kind], images_root, reporter)
        complete += present
        bad += failures
    if output is None:
        return bad
    if problem := vimeo.other_scale(complete, images_root, output, scale):
        raise UsageError(f"{problem}; choose another --output-dir")
    return bad + _shrink(vimeo.lq_jobs(complete, images_root, output), scale, workers, output, reporter)


def prepare_reds(
    source: Path,
    target: Path,
    *,
    link: str = "hard",
    generate_lq: bool = False,
    workers: int | None = None,
    dry_run: bool = False,
    reporter: Reporter,
) -> int:
    """Put REDS as downloaded into the places that the configs name: 270 training clips, REDS4, the annotation file.

    source: the folder with train_sharp, val_sharp, ...; may be `target`.  link: how pictures get to their place,
    `hard`, `symbolic` or `none` (copies); `source` itself is never changed.  generate_lq: shrink GT where the bicubic
    pictures are missing.  Returns how many pictures failed or clips are short; raises as `prepare_vimeo`.
    """
    if not source.is_dir():
        raise UsageError(f"{source}: no such folder; --input is the folder that holds train_sharp, val_sharp, ...")
    kinds = reds.find_kinds(source, target)
    if "sharp" not in kinds:
        raise UsageError(f"{source}: holds no clip of train_sharp or val_sharp, where REDS has its GT pictures")
    bad = sum(_bring_train(source, target, kind, link, dry_run, reporter) for kind in kinds)
    if generate_lq:
        bad += _reds_lq(target, workers, dry_run, reporter)
        kinds = list(dict.fromkeys([*kinds, "sharp_bicubic"]))
    elif "sharp_bicubic" not in kinds:
        reporter.say("train_sharp_bicubic, val_sharp_bicubic: not there; --generate-lq makes them from train_sharp")
    for kind in kinds:
        _bring_reds4(target, kind, link, dry_run, reporter)
    if not dry_run:
        lines = list(reds.annotation_lines(target))
        write_text(target / reds.ANNOTATION, "".join(lines))
        reporter.say(f"{target / reds.ANNOTATION}: {len(lines)} pictures")
    return bad


def _annotate(kind: str, path: Path, keys: list[str], root: Path, reporter: Reporter) -> tuple[list[str], int]:
    """Write an annotation file; return the complete clips and how many pictures were unreadable."""
    present, absent = vimeo.find_clips(keys, root)
    if not present:
        raise UsageError(f"{root}: holds no complete clip of {path}; is it the folder `sequences`?")
    annotation = path.parent / vimeo.ANNOTATIONS[kind]
    failures = vimeo.annotate(annotation, present, root)
    reporter.say(f"{kind}: {len(present)} of {len(keys)} clips are complete -> {annotation}")
    if absent:
        reporter.say(f"{kind}: {len(absent)} missing or short, left out: {_few(absent)}")
    for failure in failures.values():
        reporter.say(failure)
    return [key for key in present if key not in failures], len(failures)


def _bring_train(source: Path, target: Path, kind: str, link: str, dry_run: bool, reporter: Reporter) -> int:
    """Bring what is there, say what is not; return how many clips are short."""
    clips = list(reds.plan_train(source, target, kind))
    folder = reds.train_folder(target, kind)
    todo = [clip for clip in clips if clip.todo]
    complete = sum(not clip.lacking for clip in clips) - len(todo)
    how = {"none": "copied"}.get(link, f"linked ({link})")
    reporter.say(f"{folder}: {complete} clips are there, {len(todo)} {'would be' if dry_run else 'are'} {how}")
    for done, clip in enumerate([] if dry_run else todo, 1):
        reds.bring(clip, link)
        if done % 10 == 0 or done == len(todo):
            reporter.say(f"{folder}: {done} of {len(todo)} clips")
    if missing := [clip.name for clip in clips if clip.missing]:
        reporter.say(f"{folder}: {len(missing)} of {len(clips)} clips are missing: {_ranges(missing)}")
    short = [
        f"{clip.source} ({len(reds.FRAMES) - clip.lacking} of {len(reds.FRAMES)} pictures)"
        for clip in clips
        if clip.short
    ]
    if short:
        reporter.say(f"{folder}: short clips are left out: {_few(short)}")
    return len(short)


def _bring_reds4(target: Path, kind: str, link: str, dry_run: bool, reporter: Reporter) -> None:
    folder = reds.reds4_folder(target, kind)
    if dry_run:
        reporter.say(f"{folder}: would hold {', '.join(reds.REDS4)}, as far as they are there")
        return
    clips = reds.plan_reds4(target, kind)
    for clip in (clip for clip in clips if clip.todo):
        reds.bring(clip, link)
    lacking = [clip.name for clip in clips if clip.lacking]
    reporter.say(f"{folder}: " + (f"without {', '.join(lacking)}" if lacking else "complete"))


def _reds_lq(target: Path, workers: int | None, dry_run: bool, reporter: Reporter) -> int:
    """Make the LQ pictures that are missing beside complete GT clips; return how many failed."""
    gt, lq = reds.train_folder(target, "sharp"), reds.train_folder(target, "sharp_bicubic")
    if dry_run:
        reporter.say(f"{lq}: pictures that are still missing would be made from GT")
        return 0
    complete = [clip.name for clip in reds.plan_train(target, target, "sharp") if not clip.lacking]
    jobs = (open_job(gt / name, lq / name, reds.FRAMES) for name in complete)
    return _shrink([job for job in jobs if job.names], REDS_SCALE, workers, lq, reporter)


def _shrink(jobs: Sequence[Job], scale: int, workers: int | None, output: Path, reporter: Reporter) -> int:
    """Do the jobs, and say what failed; return how many pictures did."""
    total = sum(len(job.names) for job in jobs)
    reporter.say(f"{output}: {total} pictures are to be made, scale 1/{scale}, rounded once")
    failures = []
    with closing(shrink(jobs, scale, workers or _cores())) as results:
        for done, failure in enumerate(results, 1):
            if failure:
                failures.append(failure)
            reporter.progress(done, total)
    for failure in sorted(failures)[:NAMED]:
        reporter.say(failure)
    if failures:
        reporter.say(f"{output}: {len(failures)} of {total} pictures failed; mend them and run the same command again")
    return len(failures)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _ranges(names: Sequence[str]) -> str:
    """000, 001, 002, 005 as "000-002, 005"."""
    runs: list[list[str]] = []
    for name in names:
        if runs and int(name) == int(runs[-1][-1]) + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
