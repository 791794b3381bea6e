"""REDS and Vimeo-90K as they are downloaded become what the configs read."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ppvsr.data.clips import picture_size
from ppvsr.data.folders import annotated, unique
from ppvsr.data.shrink import Job, open_job, shrink
from ppvsr.errors import DataError, UsageError
from ppvsr.system.files import write_text, written_whole

if TYPE_CHECKING:
    from ppvsr.system.progress import Reporter


# ---- REDS as it is downloaded, and as the configs expect it: 270 clips in one row, REDS4 in folders of its own.
#
#     train_sharp/000 ... 239, val_sharp/000 ... 029    ->  train_sharp/X4/000 ... 269
#     train_sharp_bicubic/X4/..., val_sharp_bicubic/X4  ->  train_sharp_bicubic/X4/000 ... 269
#     of each of them, clips 000, 011, 015 and 020      ->  REDS4_test_sharp/X4, REDS4_test_sharp_bicubic/X4
#
# The archives may lie side by side, or in `train` and `val`, where they unpack themselves.

REDS_FRAMES = tuple(f"{number:08d}.png" for number in range(100))
CLIPS = tuple(f"{number:03d}" for number in range(270))
VALIDATION = 240  # the number that clip 000 of the validation archive gets
REDS4 = ("000", "011", "015", "020")
INSIDE = {"sharp": "", "sharp_bicubic": "X4", "blur": "", "blur_bicubic": "X4", "blur_comp": ""}  # in the archives
ANNOTATION = "meta_info_REDS_GT.txt"


@dataclass(frozen=True)
class Clip:
    """A clip, where it is and where it shall be.

    todo: pictures to bring from `source` to `target`.  lacking: pictures that are in neither.
    """

    name: str
    source: Path
    target: Path
    todo: tuple[str, ...]
    lacking: int

    @property
    def missing(self) -> bool:
        """Whether there is not a single picture of it."""
        return self.lacking == len(REDS_FRAMES)

    @property
    def short(self) -> bool:
        """Whether some of its pictures are there, but not all."""
        return 0 < self.lacking < len(REDS_FRAMES)


def train_folder(root: Path, kind: str) -> Path:
    """Where the configs expect the 270 clips of a kind."""
    return root / f"train_{kind}" / "X4"


def reds4_folder(root: Path, kind: str) -> Path:
    """Where the configs expect the four clips of REDS4."""
    return root / f"REDS4_test_{kind}" / "X4"


def find_kinds(source: Path, target: Path) -> list[str]:
    """The kinds of REDS of which at least one clip was downloaded or prepared."""
    return [kind for kind in INSIDE if any(not clip.missing for clip in plan_train(source, target, kind))]


def plan_train(source: Path, target: Path, kind: str) -> Iterator[Clip]:
    """What is to be done for the 270 clips of a kind."""
    return (_plan(name, _archived(source, kind, name), train_folder(target, kind) / name) for name in CLIPS)


def plan_reds4(target: Path, kind: str) -> list[Clip]:
    """What is to be done for REDS4, once the 270 clips stand in their places."""
    return [_plan(name, [train_folder(target, kind) / name], reds4_folder(target, kind) / name) for name in REDS4]


def bring(clip: Clip, link: str) -> None:
    """Link or copy the pictures of a clip; every one has its name when it is complete. Raises DataError."""
    source = clip.source.resolve()
    try:
        clip.target.mkdir(parents=True, exist_ok=True)
        for name in clip.todo:
            picture = source / name
            with suppress(FileExistsError):
                LINKS[link](picture.resolve() if picture.is_symlink() else picture, clip.target / name)
    except OSError as error:
        advice = "" if link == "none" else "; another --link may be possible here"
        raise DataError(f"{clip.target}: cannot be written: {error.strerror or error}{advice}") from error


def annotation_lines(target: Path) -> Iterator[str]:
    """`000/00000000.png (720, 1280, 3)` for every picture of every complete clip. Raises DataError."""
    for name in CLIPS:
        folder = train_folder(target, "sharp") / name
        if len(_names(folder)) == len(REDS_FRAMES):
            height, width = picture_size(folder / REDS_FRAMES[0])
            yield from (f"{name}/{frame} ({height}, {width}, 3)\n" for frame in REDS_FRAMES)


def _archived(source: Path, kind: str, name: str) -> list[Path]:
    number = int(name)
    split, number = ("train", number) if number < VALIDATION else ("val", number - VALIDATION)
    folder = Path(f"{split}_{kind}", INSIDE[kind], f"{number:03d}")
    return [source / folder, source / split / folder]


def _plan(name: str, sources: list[Path], target: Path) -> Clip:
    done = _names(target)
    if len(done) == len(REDS_FRAMES):
        return Clip(name, target, target, (), 0)
    there, best = max(((_names(folder), folder) for folder in sources), key=lambda found: len(found[0]))
    lacking = sum(frame not in done and frame not in there for frame in REDS_FRAMES)
    todo = () if lacking else tuple(frame for frame in REDS_FRAMES if frame not in done)
    return Clip(name, best, target, todo, lacking)


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder)).intersection(REDS_FRAMES)
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _copy(source: Path, target: Path) -> None:
    with written_whole(target) as unfinished:
        shutil.copyfile(source, unfinished)


LINKS: Mapping[str, Callable[[Path, Path], None]] = {"hard": os.link, "symbolic": os.symlink, "none": _copy}


# ---- Vimeo-90K as it is downloaded: which clips of a list are there, the annotation files, and what LQ is still to do.

VIMEO_FRAMES = tuple(f"im{number}.png" for number in range(1, 8))
ANNOTATIONS = {"train": "meta_info_Vimeo90K_train_GT.txt", "test": "meta_info_Vimeo90K_test_GT.txt"}
LINE = re.compile(r"(\S+) 7 \((\d+), (\d+), 3\)")


def read_list(path: Path) -> list[str]:
    """The clips of sep_trainlist.txt, sep_testlist.txt, or an annotation file: `00001/0001`, each once.

    Raises UsageError for a file that is missing or is no such list.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such list of clips; Vimeo-90K has sep_trainlist.txt and sep_testlist.txt")
    try:
        keys = unique(annotated(path))
    except DataError as error:
        raise UsageError(str(error)) from error
    for key in keys:
        if len(Path(key).parts) != 2:
            raise UsageError(f"{path}: {key!r} is no clip of Vimeo-90K; lines look like 00001/0001")
    return keys


def find_clips(keys: Iterable[str], root: Path) -> tuple[list[str], list[str]]:
    """The clips that are complete under `root`, and the others: `00001/0001`, `00001/0002 (6 of 7 pictures)`."""
    complete, incomplete = [], []
    for key in keys:
        there: set[str] = set()
        with suppress(FileNotFoundError, NotADirectoryError):
            there = set(os.listdir(root / key))
        count = sum(name in there for name in VIMEO_FRAMES)
        if count == len(VIMEO_FRAMES):
            complete.append(key)
        else:
            incomplete.append(f"{key} ({count} of {len(VIMEO_FRAMES)} pictures)" if count else key)
    return complete, incomplete


def annotate(path: Path, keys: Sequence[str], root: Path) -> dict[str, str]:
    """Write `00001/0001 7 (256, 448, 3)` for every clip; return those that are left out, and what was wrong with them.

    Sizes come from the heads of the first pictures, or from the file that is to be replaced.
    """
    known = _known(path)
    lines, failures = [], {}
    for key in keys:
        try:
            height, width = known.get(key) or picture_size(root / key / VIMEO_FRAMES[0])
        except DataError as error:
            failures[key] = str(error)
            continue
        lines.append(f"{key} 7 ({height}, {width}, 3)\n")
    write_text(path, "".join(lines))
    return failures


def lq_jobs(keys: Iterable[str], root: Path, output: Path) -> list[Job]:
    """What is still to be shrunk: `<output>/00001/0001/im1.png`, ..."""
    jobs = (open_job(root / key, output / key, VIMEO_FRAMES) for key in unique(list(keys)))
    return [job for job in jobs if job.names]


def other_scale(keys: Iterable[str], root: Path, output: Path, scale: int) -> str | None:
    """Say if the LQ pictures that are there already, by the first of them, were made at another scale."""
    pairs = ((root / key / VIMEO_FRAMES[0], output / key / VIMEO_FRAMES[0]) for key in keys)
    first = next((pair for pair in pairs if pair[1].is_file()), None)
    if first is None:
        return None
    (height, width), (small_height, small_width) = (picture_size(path) for path in first)
    if (small_height * scale, small_width * scale) == (height, width):
        return None
    return f"{first[1]}: is {small_width}x{small_height}, of {width}x{height}; it was not made with --scale {scale}"


def _known(path: Path) -> dict[str, tuple[int, int]]:
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    matches = filter(None, map(LINE.fullmatch, text.splitlines()))
    return {match[1]: (int(match[2]), int(match[3])) for match in matches}


# ---- Data sets as they are downloaded become what the configs read: annotation files, LQ pictures, REDS in one row.

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
    keys = {kind: read_list(path) for kind, path in lists.items()}  # all of them, before anything is written
    bad, complete = 0, []
    for kind, path in lists.items():
        present, failures = _annotate(kind, path, keys[kind], images_root, reporter)
        complete += present
        bad += failures
    if output is None:
        return bad
    if problem := other_scale(complete, images_root, output, scale):
        raise UsageError(f"{problem}; choose another --output-dir")
    return bad + _shrink(lq_jobs(complete, images_root, output), scale, workers, output, reporter)


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
    kinds = find_kinds(source, target)
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
        lines = list(annotation_lines(target))
        write_text(target / ANNOTATION, "".join(lines))
        reporter.say(f"{target / ANNOTATION}: {len(lines)} pictures")
    return bad


def _annotate(kind: str, path: Path, keys: list[str], root: Path, reporter: Reporter) -> tuple[list[str], int]:
    """Write an annotation file; return the complete clips and how many pictures were unreadable."""
    present, absent = find_clips(keys, root)
    if not present:
        raise UsageError(f"{root}: holds no complete clip of {path}; is it the folder `sequences`?")
    annotation = path.parent / ANNOTATIONS[kind]
    failures = annotate(annotation, present, root)
    reporter.say(f"{kind}: {len(present)} of {len(keys)} clips are complete -> {annotation}")
    if absent:
        reporter.say(f"{kind}: {len(absent)} missing or short, left out: {_few(absent)}")
    for failure in failures.values():
        reporter.say(failure)
    return [key for key in present if key not in failures], len(failures)


def _bring_train(source: Path, target: Path, kind: str, link: str, dry_run: bool, reporter: Reporter) -> int:
    """Bring what is there, say what is not; return how many clips are short."""
    clips = list(plan_train(source, target, kind))
    folder = train_folder(target, kind)
    todo = [clip for clip in clips if clip.todo]
    complete = sum(not clip.lacking for clip in clips) - len(todo)
    how = {"none": "copied"}.get(link, f"linked ({link})")
    reporter.say(f"{folder}: {complete} clips are there, {len(todo)} {'would be' if dry_run else 'are'} {how}")
    for done, clip in enumerate([] if dry_run else todo, 1):
        bring(clip, link)
        if done % 10 == 0 or done == len(todo):
            reporter.say(f"{folder}: {done} of {len(todo)} clips")
    if missing := [clip.name for clip in clips if clip.missing]:
        reporter.say(f"{folder}: {len(missing)} of {len(clips)} clips are missing: {_ranges(missing)}")
    short = [
        f"{clip.source} ({len(REDS_FRAMES) - clip.lacking} of {len(REDS_FRAMES)} pictures)"
        for clip in clips
        if clip.short
    ]
    if short:
        reporter.say(f"{folder}: short clips are left out: {_few(short)}")
    return len(short)


def _bring_reds4(target: Path, kind: str, link: str, dry_run: bool, reporter: Reporter) -> None:
    folder = reds4_folder(target, kind)
    if dry_run:
        reporter.say(f"{folder}: would hold {', '.join(REDS4)}, as far as they are there")
        return
    clips = plan_reds4(target, kind)
    for clip in (clip for clip in clips if clip.todo):
        bring(clip, link)
    lacking = [clip.name for clip in clips if clip.lacking]
    reporter.say(f"{folder}: " + (f"without {', '.join(lacking)}" if lacking else "complete"))


def _reds_lq(target: Path, workers: int | None, dry_run: bool, reporter: Reporter) -> int:
    """Make the LQ pictures that are missing beside complete GT clips; return how many failed."""
    gt, lq = train_folder(target, "sharp"), train_folder(target, "sharp_bicubic")
    if dry_run:
        reporter.say(f"{lq}: pictures that are still missing would be made from GT")
        return 0
    complete = [clip.name for clip in plan_train(target, target, "sharp") if not clip.lacking]
    jobs = (open_job(gt / name, lq / name, REDS_FRAMES) for name in complete)
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
