"""Paths on a command line -> pairs of clips: pictures, folders of clips, films."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppvsr.assemble.reel import FilmFrames, Reel
from ppvsr.data.degraded import Degradation, DegradedFrames
from ppvsr.data.frames import Clip, Frames, ImageFrames
from ppvsr.errors import DataError, UsageError
from ppvsr.video.images import find_images, is_image, natural
from ppvsr.video.names import stem_of
from ppvsr.video.open import images_at

Source = Path | tuple[Path, ...]  # a film, or pictures

NAMED = 8  # clips at most that a message names


@dataclass(frozen=True)
class Pairs:
    """Clips by number, as `ppvsr.train.evaluate.evaluate` wants them."""

    clips: Sequence[Clip]

    def __len__(self) -> int:
        return len(self.clips)

    def clip(self, index: int) -> Clip:
        """The clip with this number."""
        return self.clips[index]


@contextmanager
def pair(lq: Path, gt: Path, frames: int | None = None) -> Iterator[Pairs]:
    """Pair what lies at two paths: two folders of pictures or films, or two folders of clips, by the clips' names.

    frames: the first so many of each clip.  Films are closed at the end of the `with` block.
    Raises UsageError for paths without pictures, DataError when the two sides do not hold the same clips.
    """
    sides = [find_clips(path) for path in (lq, gt)]
    if all(len(side) == 1 for side in sides):  # one clip each: the names do not matter
        sides[1] = dict.fromkeys(sides[0], *sides[1].values())
    for here, there, path in ((sides[0], sides[1], gt), (sides[1], sides[0], lq)):
        missing = [name for name in here if name not in there]
        if missing:
            more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
            raise DataError(
                f"{path}: lacks the clips {', '.join(missing[:NAMED])}{more}; both sides need the same ones"
            )
    with ExitStack() as reels:
        both = {name: [_open(side[name], frames, reels) for side in sides] for name in sides[0]}
        yield Pairs([Clip(name, *clips) for name, clips in both.items()])


@contextmanager
def shrunk(films: Sequence[Path], scale: int, frames: int | None = None) -> Iterator[Pairs]:
    """Pair films (or folders of pictures) with what BI makes of them, `scale` times smaller.

    The truth loses up to `scale` - 1 rows and columns at the bottom and right.  frames: the first so many of each.
    Raises UsageError for paths that are no clips, and when two have one name.
    """
    sources = {stem_of(path): path for path in films}
    if len(sources) < len(films):
        raise UsageError(f"{', '.join(map(str, films))}: two of these have one name; rename one, or measure it alone")
    effect = Degradation((), scale).draw(np.random.default_rng(0))  # without randomness
    with ExitStack() as reels:
        clips = []
        for name, path in sources.items():
            pictures = images_at(path)
            source = path if pictures is None else tuple(pictures)
            truth, again = (
                _fit(_open(source, frames, reels), scale, path) for _ in range(2)
            )  # each read in its own pace
            clips.append(Clip(name, DegradedFrames(again, effect, scale, margin=0, seed=(0,), group=1), truth))
        yield Pairs(clips)


def find_clips(path: Path) -> dict[str, Source]:
    """Return the clips at a path by name: a film, pictures, or every folder below that holds pictures.

    Raises UsageError when there are none.
    """
    if not path.is_dir():
        pictures = images_at(path)
        return {stem_of(path): path if pictures is None else tuple(pictures)}
    if any(map(is_image, path.iterdir())):
        return {stem_of(path): tuple(find_images(path))}
    clips: dict[str, Source] = {}
    for folder, inner, files in os.walk(path):
        inner[:] = sorted((name for name in inner if not name.startswith(".")), key=lambda name: natural(Path(name)))
        here = Path(folder)
        if any(is_image(here / name) for name in files):
            clips[here.relative_to(path).as_posix()] = tuple(find_images(here))
    if not clips:
        raise UsageError(f"{path}: holds neither pictures nor folders of pictures; a film is named by its file")
    return clips


def _fit(frames: Frames, scale: int, path: Path) -> Frames:
    _, height, width, _ = frames.shape
    if min(height, width) < scale:
        raise DataError(f"{path}: {width}x{height} is too small to be made {scale} times smaller")
    return frames.crop(0, 0, height // scale * scale, width // scale * scale)


def _open(source: Source, limit: int | None, reels: ExitStack) -> Frames:
    if isinstance(source, Path):
        return FilmFrames(reels.enter_context(Reel(source, limit)))
    return ImageFrames(source[:limit])
