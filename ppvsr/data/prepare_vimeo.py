"""Vimeo-90K as it is downloaded: which clips of a list are there, the annotation files, and what LQ is still to do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from ppvsr.data.listing import annotated, unique
from ppvsr.data.pictures import picture_size
from ppvsr.data.shrink import Job, open_job
from ppvsr.data.texts import write_text
from ppvsr.errors import DataError, UsageError

FRAMES = tuple(f"im{number}.png" for number in range(1, 8))
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
        count = sum(name in there for name in FRAMES)
        if count == len(FRAMES):
            complete.append(key)
        else:
            incomplete.append(f"{key} ({count} of {len(FRAMES)} pictures)" if count else key)
    return complete, incomplete


def annotate(path: Path, keys: Sequence[str], root: Path) -> dict[str, str]:
    """Write `00001/0001 7 (256, 448, 3)` for every clip; return those that are left out, and what was wrong with them.

    Sizes come from the heads of the first pictures, or from the file that is to be replaced.
    """
    known = _known(path)
    lines, failures = [], {}
    for key in keys:
        try:
            height, width = known.get(key) or picture_size(root / key / FRAMES[0])
        except DataError as error:
            failures[key] = str(error)
            continue
        lines.append(f"{key} 7 ({height}, {width}, 3)\n")
    write_text(path, "".join(lines))
    return failures


def lq_jobs(keys: Iterable[str], root: Path, output: Path) -> list[Job]:
    """What is still to be shrunk: `<output>/00001/0001/im1.png`, ..."""
    jobs = (open_job(root / key, output / key, FRAMES) for key in unique(list(keys)))
    return [job for job in jobs if job.names]


def other_scale(keys: Iterable[str], root: Path, output: Path, scale: int) -> str | None:
    """Say if the LQ pictures that are there already, by the first of them, were made at another scale."""
    pairs = ((root / key / FRAMES[0], output / key / FRAMES[0]) for key in keys)
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
