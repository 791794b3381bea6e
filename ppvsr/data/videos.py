"""Videos as training data: decoded once into a cache, cut into scenes, low resolution made on the fly."""

from __future__ import annotations

import difflib
import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ppvsr.data.clips import Clip, Frames, PackedFrames, Report, Sample, write_head
from ppvsr.data.degrade import GROUP, Degradation, DegradedFrames, Operation
from ppvsr.data.pipeline import (
    GetNeighboringFramesIdx,
    Item,
    Preprocess,
    ReadImageSequence,
    SRPairedRandomCrop,
    Step,
    Transforms,
    TransposeSequence,
)
from ppvsr.data.spans import OWN, Span, forth_and_back
from ppvsr.errors import ConfigError, DataError, UsageError, VideoError
from ppvsr.system.files import written_whole
from ppvsr.video.ffmpeg import SUFFIXES
from ppvsr.video.frames import FrameSource
from ppvsr.video.images import to_depth
from ppvsr.video.open import open_source
from ppvsr.video.scenes import mark_cuts

# ---- Which files of a folder a data set uses.

SHOWN = 8


def chosen_files(folder: Path, suffixes: Collection[str], lists: Mapping[str, str | None], kind: str) -> list[Path]:
    """The files of a folder with one of these endings, sorted, not those in folders inside it.

    lists: the text files with one name a line, with or without ending, that the options `names` (the only ones to use)
    and `skip` (those to leave out) name, or None.  kind: what the files are, for messages, such as "film".
    Raises DataError when there are none, and for names of files that are not there.
    """
    try:
        found = [each for each in sorted(folder.iterdir()) if each.suffix.lower() in suffixes]
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror}; `folder` holds the {kind}s") from error
    known = {each.name: each for each in found if each.is_file() and not each.name.startswith(".")}
    chosen = {option: _listed(path, known, option, kind) for option, path in lists.items() if path}
    files = [
        path
        for name, path in known.items()
        if name in chosen.get("names", known) and name not in chosen.get("skip", ())
    ]
    if not files:
        why = f"`names` and `skip` leave no {kind}" if known else f"holds no {kind}s ({', '.join(sorted(suffixes))})"
        raise DataError(f"{folder}: {why}")
    return files


def refuse(problems: list[str], headline: str) -> None:
    """Raise DataError with the first few problems, if there are any."""
    if problems:
        more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise DataError("\n".join([headline, *problems[:SHOWN], *more]))


def _listed(path: str, known: Collection[str], option: str, kind: str) -> set[str]:
    """The names of the files that a text file lists. Raises DataError that names the unknown ones."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: `{option}` must be a text file with one {kind} a line: {error}") from error
    wanted = [line.strip() for line in lines if line.strip()]
    found = {word: [name for name in known if word in (name, Path(name).stem)] for word in wanted}
    refuse(list(_unknown(found, known)), f"{path}: {kind}s that are not in the folder")
    return {name for names in found.values() for name in names}


def _unknown(found: Mapping[str, list[str]], known: Collection[str]) -> Iterator[str]:
    """A line for every word that stands for no file, with a close name."""
    for word, names in found.items():
        if not names:
            close = difflib.get_close_matches(word, known, n=1)
            yield f"{word!r}" + (f"; did you mean {close[0]!r}?" if close else "")


# ---- Films decoded once, into a cache that samples are read from.
# For each film the cache holds its frames in one file, `<name>-<place>-<state>.npy`, (t, h, w, 3) uint8 RGB, and beside
# it a .json with what else is known. `place` stands for the film's path, `state` for its size and time of change: a
# film that has changed is decoded anew, and what the cache held of it is deleted.

VERSION = 1  # of the cache: frames and cuts that this code would find otherwise
FRAMES_PER_LINE = 1000  # frames between two lines of progress


@dataclass(frozen=True)
class Film:
    """A film in the cache.

    frames, height, width: of what could be decoded.  cuts: the frames that begin a new scene, without 0.
    damage: what was lost, in a sentence, or None.
    """

    frames: int
    height: int
    width: int
    cuts: tuple[int, ...]
    damage: str | None

    def scenes(self) -> list[range]:
        """The frames of each scene."""
        ends = [0, *self.cuts, self.frames]
        return [range(*each) for each in pairwise(ends)]


class FilmCache:
    """Decoded films in a folder, which is made when the first one is written."""

    def __init__(self, folder: Path):
        self._folder = folder

    def find(self, path: Path) -> tuple[Film, PackedFrames] | None:
        """A film as it was decoded before, or None."""
        facts, pixels = self._files(path)
        try:
            known = json.loads(facts.read_text(encoding="utf-8"))
            film = Film(**{**known, "cuts": tuple(known["cuts"])})
            packed = PackedFrames(pixels)
            whole = packed.shape == (film.frames, film.height, film.width, 3)
        except (OSError, ValueError, KeyError, TypeError, DataError):
            return None
        return (film, packed) if whole else None

    def add(self, path: Path, report: Report) -> tuple[Film, PackedFrames]:
        """Decode a film.

        10 and 12 bits become 8 by rounding; rotation for display is not applied; frames keep the film's own size.
        Raises VideoError or UsageError when it cannot be read, DataError when the cache cannot be written.
        """
        facts, pixels = self._files(path)
        with open_source(path) as source, self._writable():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._check_space(source)
            with unfinished(pixels) as file:
                count, cuts = decode(source, file, report)
            info = source.info
            film = Film(count, info.height, info.width, tuple(cuts), source.damage)
            for note in source.notes:
                report(f"{path.name}: {note}")
            with unfinished(facts) as file:
                file.write(json.dumps(asdict(film)).encode())
        for old in self._folder.glob(f"*-{identity(path)}-*"):
            if old not in (facts, pixels) and not old.name.startswith("."):  # dots: what another process writes now
                old.unlink(missing_ok=True)
        return film, PackedFrames(pixels)

    def _files(self, path: Path) -> tuple[Path, Path]:
        try:
            state = path.stat()
        except OSError as error:
            raise VideoError(f"{path}: cannot be read: {error.strerror}") from error
        stem = f"{path.stem[:60]}-{identity(path)}-{short(f'{state.st_size} {state.st_mtime_ns} {VERSION}')}"
        return self._folder / f"{stem}.json", self._folder / f"{stem}.npy"

    def _check_space(self, source: FrameSource) -> None:
        info = source.info
        needed, free = (info.frames or 0) * info.height * info.width * 3, shutil.disk_usage(self._folder).free
        if needed > free:
            raise DataError(
                f"{self._folder}: {info.path.name} takes {needed / 1e9:.1f} GB when decoded, and {free / 1e9:.1f} GB "
                "are free; set `cache` to a folder on a larger disk, or cut the film shorter"
            )

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self._folder}: decoded films cannot be written: {error.strerror or error}; "
                "set `cache` to a folder with room where you may write"
            ) from error


def decode(source: FrameSource, file: BinaryIO, report: Report) -> tuple[int, list[int]]:
    """Write all frames as a .npy file; return how many there are, and where scenes begin."""
    size = (source.info.height, source.info.width, 3)
    begin = write_head(file, (0, *size))
    count, cuts = 0, []
    for frame, cut in mark_cuts(source, lambda each: each.image):
        file.write(np.ascontiguousarray(to_depth(frame.image, 8)).data)
        cuts += [count] if cut else []
        count += 1
        if count % FRAMES_PER_LINE == 0:
            report(f"{source.info.path.name}: {count} of {source.info.frames or 'an unknown number of'} frames decoded")
    file.seek(0)
    assert write_head(file, (count, *size)) == begin, "the head keeps its length: numpy leaves room for the first axis"
    return count, cuts


@contextmanager
def unfinished(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when it is complete, and vanishes when it does not."""
    with written_whole(path) as part, part.open("wb") as file:
        yield file


def identity(path: Path) -> str:
    """Letters that stand for the place of a film."""
    return short(str(path.resolve()))


def short(text: str) -> str:
    """Twelve letters that stand for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


# ---- Films themselves as training data: cut into scenes, low resolution made on the fly.

CACHE = ".ppvsr-cache"


@dataclass(frozen=True)
class Footage:
    """What one index stands for: some frames of a film, (t, h, w, 3)."""

    key: str
    frames: Frames


class VideoFolderDataset:
    """Films in a folder. One index is one scene of a film, a sample a random part of it; every scene counts alike.

    folder: its films (not those in folders inside it), by their endings.  names, skip: text files with one film a
    line, with or without ending: the only ones to use, and those to leave out.  num_frames: of a sample; scenes that
    are shorter are left out.
    scale, degradation: how low resolution is made, see `degrade`; None is BI alone.  It is made of the part of the
    picture that a sample shows and a margin around it; with BI and BD that equals whole pictures, to the last bit.
    cache: where decoded films are kept, 3 bytes a pixel; by default a folder `.ppvsr-cache` beside the films.
    preprocess: GetNeighboringFramesIdx, if other distances than 1 or backwards are wanted, and Transforms.
    test_mode: one index is one film, whole or its middle `num_frames` frames, the same every time.
    bounce: in test mode, a film that has fewer goes forth and back until there are so many.

    Pictures lose up to `scale` - 1 rows and columns at the bottom and right. Rotation for display is not applied.
    """

    def __init__(
        self,
        *,
        folder: str,
        num_frames: int | None = None,
        scale: int = 4,
        cache: str | None = None,
        names: str | None = None,
        skip: str | None = None,
        degradation: Sequence[Operation] | None = None,
        preprocess: Sequence[Step] = (),
        test_mode: bool = False,
        bounce: bool = False,
    ):
        self._folder = Path(folder)
        self._num_frames = num_frames
        self._scale = scale
        self._cache = Path(cache) if cache else self._folder / CACHE
        self._lists = {"names": names, "skip": skip}
        self._degradation = Degradation(tuple(degradation or ()), scale)
        self._test_mode, self._bounce = test_mode, bounce
        self._preprocess = Preprocess(
            film_steps(preprocess, "VideoFolderDataset"), owner="VideoFolderDataset", test_mode=test_mode
        )
        self._crop = find_crop(preprocess)
        self._footage: list[Footage] | None = None
        if num_frames is None and not test_mode:
            raise ConfigError("VideoFolderDataset: num_frames is needed for training, where all samples are alike")
        if num_frames is not None and num_frames < 1:
            raise ConfigError(f"VideoFolderDataset: num_frames must be 1 or more, got {num_frames}")
        if self._crop and self._crop.scale != scale:
            raise ConfigError(f"VideoFolderDataset: scale is {scale}, that of SRPairedRandomCrop {self._crop.scale}")

    @property
    def mirrored(self) -> bool:
        """Whether the pipeline holds MirrorVideoSequence."""
        return self._preprocess.mirrored

    def prepare(self, report: Report) -> None:
        """Decode the films that the cache does not hold, and look for scenes; see `Dataset`.

        A film that is damaged is used as far as it can be decoded, with a line.
        """
        if self._footage is not None:
            return
        cache, films, problems = FilmCache(self._cache), [], []
        paths = chosen_files(self._folder, SUFFIXES, self._lists, "film")
        for number, path in enumerate(paths, 1):
            try:
                found = cache.find(path)
                film, frames = found or cache.add(path, report)
            except (VideoError, UsageError) as error:
                problems.append(str(error))
                continue
            if not found:
                report(f"decoded {number} of {len(paths)}: {path.name}, {describe(film)}")
            if film.damage:
                report(f"{path.name}: damaged, its {film.frames} good frames are used: {film.damage}")
            if problem := self._unfit(path.name, film):
                problems.append(problem)
            films.append((path, film, frames))
        refuse(problems, f"{self._folder}: films that cannot be used; repair or remove them, or list them in `skip`")
        self._footage = self._cut(films, report)

    def __len__(self) -> int:
        return len(self._prepared())

    def load(self, index: int, rng: np.random.Generator, span: Span = OWN) -> Sample:
        """One example; see `Dataset`."""
        item = replace(self._item(index, rng), span=span)
        return self._preprocess.sample(item, None if self._test_mode else rng)

    def clip(self, index: int) -> Clip:
        """A film in test mode, else a scene, unread; see `Dataset`."""
        return self._preprocess.clip(self._item(index, None))

    def _item(self, index: int, rng: np.random.Generator | None) -> Item:
        """High resolution and what is made of it: in training of the sample's frames, else group by group."""
        footage = self._prepared()[index]
        group = None
        if self._test_mode or rng is None:
            rng = np.random.default_rng(list(footage.key.encode()))
            group = GROUP if self._degradation.temporal else 1
        effect = self._degradation.draw(rng)
        seed = (int(rng.integers(1 << 62)),)
        lq = DegradedFrames(footage.frames, effect, self._scale, self._degradation.margin, seed, group)
        return Item(footage.key, lq, footage.frames, None if self._test_mode else self._num_frames)

    def _prepared(self) -> list[Footage]:
        if self._footage is None:
            raise RuntimeError("VideoFolderDataset: prepare() comes first")
        return self._footage

    def _unfit(self, name: str, film: Film) -> str | None:
        """Why a film cannot be used at all, or None."""
        patch = self._crop.gt_patch_size if self._crop else self._scale
        if min(film.height, film.width) // self._scale * self._scale < patch:
            reason = f"patches of {patch} do not fit, with sides cut to multiples of {self._scale}"
            return f"{name}: is {film.width}x{film.height}; {reason}"
        if self._test_mode and not self._bounce and self._num_frames and film.frames < self._num_frames:
            return f"{name}: has {film.frames} frames, num_frames is {self._num_frames}"
        return None

    def _cut(self, films: Sequence[tuple[Path, Film, PackedFrames]], report: Report) -> list[Footage]:
        """Scenes for training, films for tests."""
        stems = [path.stem for path, _, _ in films]
        chooser = self._preprocess.chooser
        needed = chooser.needed(self._num_frames) if chooser and self._num_frames else 1
        result, short = [], 0
        for path, film, frames in films:
            key = path.stem if stems.count(path.stem) == 1 else path.name
            whole = frames.crop(0, 0, film.height // self._scale * self._scale, film.width // self._scale * self._scale)
            if self._test_mode:
                result.append(Footage(key, whole.take(middle(film.frames, self._num_frames))))
                continue
            scenes = [scene for scene in film.scenes() if len(scene) >= needed]
            short += len(film.cuts) + 1 - len(scenes)
            result += [Footage(f"{key}@{scene.start}", whole.take(scene)) for scene in scenes]
        if not result:
            raise DataError(f"{self._folder}: no scene of any film has the {needed} frames that a sample needs")
        left_out = f"; {short} scenes shorter than {needed} frames are left out" if short else ""
        total = sum(len(each.frames) for each in result)
        kind = "films" if self._test_mode else f"scenes of {len(films)} films"
        report(f"VideoFolderDataset: {len(result)} {kind}, {total} frames{left_out}")
        return result


def film_steps(preprocess: Sequence[Step], owner: str) -> list[Step]:
    """The steps as for pictures: films are always chosen from, read and turned into arrays. Raises ConfigError."""
    for each in preprocess:
        if isinstance(each, GetNeighboringFramesIdx) and each.filename_tmpl is not None:
            raise ConfigError(f"{owner}: films have no file names; remove filename_tmpl from preprocess")
    steps = [each for each in preprocess if not isinstance(each, ReadImageSequence)]
    if not any(isinstance(each, GetNeighboringFramesIdx) for each in steps):
        steps.insert(0, GetNeighboringFramesIdx(interval_list=[1]))
    if not any(isinstance(each, Transforms) for each in steps):
        steps.append(Transforms(pipeline=[TransposeSequence()]))
    return [steps[0], ReadImageSequence(key="lq"), ReadImageSequence(key="gt"), *steps[1:]]


def find_crop(preprocess: Sequence[Step]) -> SRPairedRandomCrop | None:
    """The random window of the pipeline."""
    transforms = [each for step in preprocess if isinstance(step, Transforms) for each in step.pipeline]
    return next((each for each in transforms if isinstance(each, SRPairedRandomCrop)), None)


def middle(count: int, wanted: int | None) -> Sequence[int]:
    """The middle `wanted` of `count` frames; if there are fewer, all of them, forth and back."""
    wanted = wanted or count
    if wanted > count:
        return forth_and_back(0, wanted, count)
    return range((count - wanted) // 2, (count - wanted) // 2 + wanted)


def describe(film: Film) -> str:
    """Size and scenes."""
    scenes = len(film.cuts) + 1
    return f"{film.frames} frames {film.width}x{film.height}, {scenes} scene{'s' if scenes > 1 else ''}"
