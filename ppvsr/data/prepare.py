"""REDS as it is downloaded, and as the configs expect it: 270 clips in one row, REDS4 in folders of its own.

    train_sharp/000 ... 239, val_sharp/000 ... 029    ->  train_sharp/X4/000 ... 269
    train_sharp_bicubic/X4/..., val_sharp_bicubic/X4  ->  train_sharp_bicubic/X4/000 ... 269
    of each of them, clips 000, 011, 015 and 020      ->  REDS4_test_sharp/X4, REDS4_test_sharp_bicubic/X4

The archives may lie side by side, or in `train` and `val`, where they unpack themselves.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ppvsr.data.pictures import picture_size
from ppvsr.errors import DataError
from ppvsr.whole import written_whole

FRAMES = tuple(f"{number:08d}.png" for number in range(100))
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
        return self.lacking == len(FRAMES)

    @property
    def short(self) -> bool:
        """Whether some of its pictures are there, but not all."""
        return 0 < self.lacking < len(FRAMES)


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
        if len(_names(folder)) == len(FRAMES):
            height, width = picture_size(folder / FRAMES[0])
            yield from (f"{name}/{frame} ({height}, {width}, 3)\n" for frame in FRAMES)


def _archived(source: Path, kind: str, name: str) -> list[Path]:
    number = int(name)
    split, number = ("train", number) if number < VALIDATION else ("val", number - VALIDATION)
    folder = Path(f"{split}_{kind}", INSIDE[kind], f"{number:03d}")
    return [source / folder, source / split / folder]


def _plan(name: str, sources: list[Path], target: Path) -> Clip:
    done = _names(target)
    if len(done) == len(FRAMES):
        return Clip(name, target, target, (), 0)
    there, best = max(((_names(folder), folder) for folder in sources), key=lambda found: len(found[0]))
    lacking = sum(frame not in done and frame not in there for frame in FRAMES)
    todo = () if lacking else tuple(frame for frame in FRAMES if frame not in done)
    return Clip(name, best, target, todo, lacking)


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder)).intersection(FRAMES)
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _copy(source: Path, target: Path) -> None:
    with written_whole(target) as unfinished:
        shutil.copyfile(source, unfinished)


LINKS: Mapping[str, Callable[[Path, Path], None]] = {"hard": os.link, "symbolic": os.symlink, "none": _copy}
