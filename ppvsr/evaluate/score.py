"""Measure results, variants and videos without a config: paths and names in, a table and files out."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppvsr import __version__
from ppvsr.data.clips import Clip, Frames, ImageFrames, Window, cut
from ppvsr.data.degrade import Degradation, DegradedFrames
from ppvsr.enhance.chunks import Enhance
from ppvsr.enhance.network import PLAIN, Cut, Engine, Stage, choose_stages, make_enhancer, plan_stage
from ppvsr.enhance.plan import Plan, check_window
from ppvsr.errors import DataError, UsageError
from ppvsr.evaluate.evaluate import Runner, Scores, evaluate, standard_metrics, table, write_csv, write_json
from ppvsr.evaluate.runners import Picture, _enlarge, as_it_is
from ppvsr.system.machine import format_size
from ppvsr.system.paddle import use_device
from ppvsr.system.progress import Reporter, Silence
from ppvsr.video.frames import Frame, remark_on
from ppvsr.video.images import find_images, is_image, natural, to_depth
from ppvsr.video.open import images_at, open_source
from ppvsr.video.workdir import stem_of
from ppvsr.weights.download import fetch
from ppvsr.weights.zoo import Weights

# ---- Networks, and what stands in for one, as functions from a low-resolution clip to its enlarged frames.


def variant_runner(
    name: str,
    weights: str | Path | None = None,
    *,
    window: int | None = None,
    overlap: int | None = None,
    whole: bool = False,
    memory: int | None = None,
    device: str | None = None,
    engine: Engine = PLAIN,
    say: Callable[[str], Any] = lambda line: None,
) -> VariantRunner:
    """Return a runner of a variant with its weights; names and windows are looked up and checked at once.

    window, overlap: by default the variant's own.  whole: one window as long as the clip.  memory: bytes that may be
    used; frames that need more are cut into tiles.  engine: what runs the network, Paddle's own operators unless told
    otherwise.  say: hears which device and plan are used.
    Raises UsageError and, without a usable Paddle, PpvsrError; WeightsError when it runs.
    """
    if window is not None and overlap is not None:
        check_window(window, overlap, "--window")
    cut = Cut(window, overlap, memory)
    (stage,) = choose_stages(name, weights, cut)
    return VariantRunner(stage, cut, whole=whole, device=device, engine=engine, say=say)


class VariantRunner:
    """A variant as a runner; the weights are loaded at the first clip and kept."""

    def __init__(
        self,
        stage: Stage,
        cut: Cut | None = None,
        *,
        whole: bool = False,
        device: str | None = None,
        engine: Engine = PLAIN,
        say: Callable[[str], Any] = lambda line: None,
    ) -> None:
        self.stage = stage
        self._cut = cut or Cut()
        self._whole = whole
        self._device = device
        self._engine = engine
        self._say = say
        self._ready: Callable[[Plan], Enhance] | None = None
        self._plans: dict[tuple[int, int, Cut], Plan] = {}

    def __call__(self, frames: Frames) -> Iterator[Picture]:
        """Yield the enlarged frames of a clip."""
        _, height, width, _ = frames.shape
        cut = replace(self._cut, num_frames=len(frames), overlap=0) if self._whole else self._cut
        return self._told(self._enhancer(height, width, cut), frames)

    def _told(self, enhance: Enhance, frames: Frames) -> Iterator[Picture]:
        """Yield the enlarged frames; say at the end how many of them were mended."""
        mended = Counter[str | None]()

        def counted(stream: Iterable[Frame]) -> Iterator[Frame]:
            for frame in enhance(stream):
                mended[frame.mended] += 1
                yield frame

        yield from _enlarge(counted, frames)
        if remark := remark_on(mended, mended.total()):
            self._say(remark)

    def _enhancer(self, height: int, width: int, cut: Cut) -> Enhance:
        if self._ready is None and self.stage.variant.arch:
            self._say(f"device: {use_device(self._device)}")
        if (height, width, cut) not in self._plans:
            plan, net = plan_stage(self.stage, height, width, cut, encoded=False)
            self._say(f"plan: {plan}")
            self._plans[height, width, cut] = plan
            self._ready = self._ready or self._prepare(plan, net)
        assert self._ready is not None
        return self._ready(self._plans[height, width, cut])

    def _prepare(self, plan: Plan, net: Any) -> Callable[[Plan], Enhance]:
        """Load the weights; return what makes an enhancer with them for any plan."""
        first = make_enhancer(self.stage, plan, net, self._engine, self._say)
        if net is None:
            return lambda _: first
        from ppvsr.enhance.engine import Enhancer  # needs Paddle

        return lambda plan: Enhancer(net, plan)


# ---- A film whose frames are asked for by number, for evaluation; nothing is kept on the disk, and one frame in
# memory.

Pixels = NDArray[np.uint8]


class Reel(AbstractContextManager["Reel"]):
    """A film being read, 8 bits a sample; use it in `with`.

    Cheap in order, since the film is decoded only once for that; going back opens it again. It is decoded once before,
    to count its frames: what containers say is a claim.  limit: frames at most.
    Raises UsageError and VideoError for what cannot be read, DataError for a film that is damaged.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._path, self._limit = path, limit
        self._opened = ExitStack()
        self._frames: Iterator[Frame] = iter(())
        self._number = -1  # of the frame that is held
        self._held: Pixels = np.empty((0, 0, 3), np.uint8)
        with open_source(path, frames=limit) as film:
            self.count = sum(1 for _ in film)
            self.size = film.info.height, film.info.width
            if film.damage:
                raise DataError(f"{path}: is damaged, so its frames cannot be counted: {film.damage}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def frame(self, number: int) -> Pixels:
        """Return a frame, (h, w, 3)."""
        if self._number < 0 or number < self._number:
            self._opened.close()
            self._frames = iter(self._opened.enter_context(open_source(self._path, frames=self._limit)))
            self._number = -1
        while self._number < number:
            self._held = to_depth(next(self._frames).image, 8)  # type: ignore[assignment]
            self._number += 1
        return self._held


@dataclass(frozen=True)
class FilmFrames:
    """The frames of a reel as a clip, see `ppvsr.data.clips.Frames`.

    indices: which; None is all.  window: what to keep of each.
    """

    reel: Reel
    indices: tuple[int, ...] | None = None
    window: Window | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(t, h, w, 3)."""
        return (len(self), *(self.window[2:] if self.window else self.reel.size), 3)

    def __len__(self) -> int:
        return self.reel.count if self.indices is None else len(self.indices)

    def __getitem__(self, index: int) -> Pixels:
        frame = self.reel.frame(self._all()[index])
        return frame if self.window is None else cut(frame[None], self.window)[0]

    def take(self, indices: Sequence[int]) -> FilmFrames:
        """These frames in this order; nothing is read."""
        known = self._all()
        return replace(self, indices=tuple(known[index] for index in indices))

    def crop(self, top: int, left: int, height: int, width: int) -> FilmFrames:
        """A window of all frames; nothing is read."""
        first_row, first_column = self.window[:2] if self.window else (0, 0)
        return replace(self, window=(first_row + top, first_column + left, height, width))

    def array(self) -> Pixels:
        """All frames, (t, h, w, 3)."""
        return np.stack([self[index] for index in range(len(self))])

    def _all(self) -> Sequence[int]:
        return range(self.reel.count) if self.indices is None else self.indices


# ---- Paths on a command line -> pairs of clips: pictures, folders of clips, films.

Source = Path | tuple[Path, ...]  # a film, or pictures

NAMED = 8  # clips at most that a message names


@dataclass(frozen=True)
class Pairs:
    """Clips by number, as `ppvsr.evaluate.evaluate.evaluate` wants them."""

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


# ---- Measure results, variants and films without a config: paths and names in, a table and files out.

BASELINE = "Bicubic"


@dataclass(frozen=True)
class Measurement:
    """What to measure, and what to keep.

    crop_border: pixels that do not count at each edge.  y: BT.601 luma instead of RGB.  flicker: warping error, too.
    frames: the first so many of each clip.  output: folder for results.json and results.csv; None writes nothing.
    save_img: the measured pictures as well, as `<output>/pictures/<clip>/<frame>.png`.
    Raises UsageError for pictures without a folder.
    """

    crop_border: int = 0
    y: bool = False
    flicker: bool = False
    frames: int | None = None
    output: Path | None = None
    save_img: bool = False

    def __post_init__(self) -> None:
        if self.save_img and self.output is None:
            raise UsageError("--save-img needs --output, the folder to save the pictures in")


@dataclass(frozen=True)
class Run:
    """Which network runs, and how; see `ppvsr.evaluate.score.variant_runner`."""

    variant: str
    weights: str | None = None
    window: int | None = None
    overlap: int | None = None
    whole: bool = False
    memory: int | None = None
    device: str | None = None
    engine: Engine = PLAIN


def score_results(sr: Path, gt: Path, what: Measurement, reporter: Reporter | None = None) -> Scores:
    """Measure pictures or films that exist already against the truth; needs no Paddle.

    sr, gt: two folders of pictures, two folders of clip folders, or two films.
    Raises UsageError, DataError (different clips, sizes, lengths) and VideoError.
    """
    with pair(sr, gt, what.frames) as pairs:
        about = {"results": str(sr), "truth": str(gt)}
        return _measure({"": as_it_is}, pairs, what, about, reporter or Silence())


def score_variant(run: Run, lq: Path, gt: Path, what: Measurement, reporter: Reporter | None = None) -> Scores:
    """Run a variant over the clips at `lq` and measure it against those at `gt`. Raises as `score_results` does."""
    reporter = reporter or Silence()
    runner = _runner(run, reporter)
    with pair(lq, gt, what.frames) as pairs:
        about = {**_about(run, runner.stage), "low_resolution": str(lq), "truth": str(gt)}
        return _measure({run.variant: runner}, pairs, what, about, reporter)


def score_films(run: Run, films: Sequence[Path], what: Measurement, reporter: Reporter | None = None) -> Scores:
    """Shrink films by BI, let a variant and bicubic enlarge them again, and measure both against the originals.

    Returns the variant's scores; the baseline stands beside them in the table and in the files.
    """
    reporter = reporter or Silence()
    runner = _runner(run, reporter)
    runners: dict[str, Runner] = {run.variant: runner}
    if runner.stage.variant.arch:
        runners[BASELINE] = variant_runner(BASELINE)
    with shrunk(films, runner.stage.variant.scale, what.frames) as pairs:
        about = {**_about(run, runner.stage), "films": [str(film) for film in films], "degradation": "BI"}
        return _measure(runners, pairs, what, about, reporter)


def _runner(run: Run, reporter: Reporter) -> VariantRunner:
    options = {each.name: getattr(run, each.name) for each in fields(run) if each.name not in ("variant", "weights")}
    runner = variant_runner(run.variant, run.weights, **options, say=reporter.say)
    reporter.say(_describe(runner.stage))
    return runner


def _describe(stage: Stage) -> str:
    if isinstance(stage.weights, Weights):
        row = f"'{stage.weights.name}', trained on {stage.weights.trained_on}"
        return f"{stage.variant.name}: weights {row}; --weights takes another name or a file"
    return str(stage)


def _measure(
    runners: Mapping[str, Runner], pairs: Pairs, what: Measurement, about: Mapping[str, Any], reporter: Reporter
) -> Scores:
    """Evaluate the first runner and those beside it, print the table, write the files."""
    metrics = standard_metrics(crop_border=what.crop_border, y=what.y)
    pictures = what.output / "pictures" if what.output and what.save_img else None
    total = len(runners) * sum(len(pairs.clip(i).gt) for i in range(len(pairs)))
    results: dict[str, Scores] = {}
    finished = 0
    for name, run in runners.items():

        def report(done: int, expected: int, clip: str, before: int = finished) -> None:
            reporter.progress(before + done, total)

        results[name] = evaluate(
            run, pairs, metrics, flicker=what.flicker, pictures=None if results else pictures, report=report
        )
        finished += sum(clip.frames for clip in results[name].clips)
    (name, scores), *others = results.items()
    beside = dict(others)
    reporter.say(f"PSNR and SSIM on {'Y' if what.y else 'RGB'}, {what.crop_border} pixels cut at each edge")
    reporter.say(table(scores, name, beside))
    reporter.say(f"peak memory: {_peak(list(results.values()))}")
    if what.output:
        options = {key: value for key, value in asdict(what).items() if key != "output"}
        write_json(what.output / "results.json", scores, {**_versions(), **about, "measured": options}, beside)
        write_csv(what.output / "results.csv", scores, name, beside)
        reporter.say(f"{what.output}: results.json, results.csv{', pictures' if pictures else ''}")
    return scores


def _peak(results: Sequence[Scores]) -> str:
    resident, device = (max(getattr(each, name) for each in results) for name in ("peak_bytes", "device_bytes"))
    return f"{format_size(resident)}{f', {format_size(device)} on the device' if device else ''}"


def _about(run: Run, stage: Stage) -> dict[str, Any]:
    """Return what results depend on: the network, its weights to the byte, the windows."""
    about: dict[str, Any] = {"variant": stage.variant.name}
    if stage.weights is not None:
        path = stage.weights if isinstance(stage.weights, Path) else fetch(stage.weights)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256") if sys.version_info >= (3, 11) else hashlib.sha256(file.read())
        about["weights"] = {"file": str(path), "sha256": digest.hexdigest()}
    about["run"] = {name: value for name, value in asdict(run).items() if name not in ("variant", "weights")}
    return about


def _versions() -> dict[str, Any]:
    versions = {"ppvsr": __version__, "python": platform.python_version()}
    versions |= {"numpy": np.__version__, "opencv": cv2.__version__}
    if paddle := sys.modules.get("paddle"):
        versions["paddle"] = paddle.__version__
    return {"versions": versions}
