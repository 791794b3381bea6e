"""Films themselves as training data: cut into scenes, low resolution made on the fly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ppvsr.data.chosen import chosen_files, refuse
from ppvsr.data.degraded import GROUP, Degradation, DegradedFrames
from ppvsr.data.films import SUFFIXES, Film, FilmCache
from ppvsr.data.frames import Clip, Frames, PackedFrames, Report, Sample
from ppvsr.data.operation import Operation
from ppvsr.data.spans import OWN, Span, forth_and_back
from ppvsr.data.steps import GetNeighboringFramesIdx, Item, Preprocess, ReadImageSequence, Step, Transforms
from ppvsr.data.transforms import SRPairedRandomCrop, TransposeSequence
from ppvsr.errors import ConfigError, DataError, UsageError, VideoError

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
