"""Does a network stay sound, on any content and at any length? Its gain over bicubic, frame by frame, and its states.

    python -m benchmarks.stability [--variant PPMSVSR] [--weights bi | FILE] [--window 20] [--overlap 5] [--windows]
                                   [--frames 300] [--side 64] [--only NAME ...] [--videos FOLDER] [--photos FOLDER]
                                   [--crf 25] [--plant 10] [--backend auto] [--threads N] [--json FILE]
                                   [--plot FILE.png]
    python -m benchmarks.stability search --seed 0 [--tries 40] [--climb 20] ...

Prints for each of the `CONTENTS` of benchmarks/content.py, and for each video of a folder (its middle, played forth and
back, instead of the contents), the PSNR-Y of bicubic, what the network has more on average and in the worst frame, the
number of that frame, the share of frames under bicubic by more than 0.05 dB, and how far the states have grown: the
largest value of a branch that runs backward in its last steps over its median later in time, and the largest of a
branch that runs forward in the last tenth of the video over that in the first. Then the gain by steps since the
backward branches began, and what the guard of ppvsr.enhance.guard, which is off here, would have seen: how far the
frames depart from their sources that are not more than 1 dB under bicubic, and how many of the others it would catch.

--windows: overlapping windows instead of a stream.  --side: of LQ, in pixels.  --crf: LQ is compressed by x264; the
bicubic beside it is made of that, too.  --photos: textures from photographs, for the search.
--plant: a fault: what a stream carries from block to block is multiplied by this.
--json: all values, by frame and by step; --plot draws them.

`search` draws videos by chance, takes the one on which the states grow most or the worst frame is worst, and changes
it as long as it becomes worse. It prints the recipe, for `benchmarks.content.make`. (With --weights bi --seed 0 as a
stream 20:5 it came upon gravel that drifts slowly: 5.9 dB under bicubic at try 27, 8.5 dB after 14 changes.)
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.content import CONTENTS, Image, Recipe, change, draw, make, read, shrunk
from ppvsr.enhance.guard import LIMIT, departure
from ppvsr.enhance.network import Cut, Stage, choose_stages
from ppvsr.enhance.plan import Limits, Plan
from ppvsr.evaluate.metrics import psnr
from ppvsr.resize import resize
from ppvsr.system.files import written_whole
from ppvsr.system.paddle import use_device
from ppvsr.video.frames import Frame
from ppvsr.weights.networks import load_network

UNDER = 0.05  # dB under bicubic that count
WRONG = 1.0  # dB under bicubic: such frames the guard has to catch
RATE = Fraction(25)


@dataclass
class States:
    """How large the states of a network were: by branch, (step since it began, root mean square, largest value)."""

    sizes: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)

    def by_step(self, branch: str) -> list[tuple[float, float]]:
        """Return (mean of the root mean squares, largest value) for every step of a branch."""
        steps: dict[int, list[tuple[float, float]]] = {}
        for step, mean, largest in self.sizes[branch]:
            steps.setdefault(step, []).append((mean, largest))
        return [
            (float(np.mean([m for m, _ in values])), max(x for _, x in values)) for _, values in sorted(steps.items())
        ]

    def growth(self, direction: str) -> float:
        """Return how much larger the branches of a direction became than they were soon after they began, at most."""
        worst = 1.0
        for branch in self.sizes:
            largest = [value for _, value in self.by_step(branch)]
            if direction in branch and len(largest) > 3:
                part = max(1, len(largest) // 10)
                worst = max(worst, max(largest[-2 * part :]) / max(float(np.median(largest[1 : 2 + 2 * part])), 1e-9))
        return worst


@dataclass(frozen=True)
class Result:
    """What was found on one content.

    bicubic, gain: dB (PSNR-Y) by frame.  steps: of the backward branches.  departures: see ppvsr.enhance.guard.
    """

    name: str
    bicubic: np.ndarray
    gain: np.ndarray
    steps: np.ndarray
    states: States
    seconds: float
    departures: np.ndarray

    @property
    def worst(self) -> int:
        """The frame that gains least."""
        return int(self.gain.argmin())

    @property
    def under(self) -> float:
        """The share of frames under bicubic."""
        return float((self.gain < -UNDER).mean())

    def by_step(self) -> list[tuple[int, float, float]]:
        """Return (step, mean gain, least gain)."""
        chosen = ((int(step), self.gain[self.steps == step]) for step in np.unique(self.steps))
        return [(step, float(gain.mean()), float(gain.min())) for step, gain in chosen]

    def tree(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            "name": self.name,
            "bicubic": self.bicubic.round(3).tolist(),
            "gain": self.gain.round(3).tolist(),
            "steps": self.steps.tolist(),
            "departures": self.departures.round(3).tolist(),
            "mean": float(self.gain.mean()),
            "worst": float(self.gain.min()),
            "worst_frame": self.worst,
            "under_bicubic": self.under,
            "backward_growth": self.states.growth("backward"),
            "forward_growth": self.states.growth("forward"),
            "by_step": self.by_step(),
            "states": {branch: self.states.by_step(branch) for branch in self.states.sizes},
            "seconds_per_frame": self.seconds,
        }

    def __str__(self) -> str:
        growth = f"{self.states.growth('backward'):8.1f} {self.states.growth('forward'):7.1f}"
        return (
            f"{self.name:32} {self.bicubic.mean():8.2f} {self.gain.mean():+7.2f} {self.gain.min():+7.2f} "
            f"{self.worst:6} {self.under:7.1%} {growth} {self.seconds:8.3f}"
        )


HEAD = (
    f"{'content':32} {'bicubic':>8} {'gain':>7} {'worst':>7} {'frame':>6} {'under':>7} "
    f"{'backward':>8} {'forward':>7} {'s/frame':>8}"
)


class Bench:
    """A network with a window, and what is watched while it runs."""

    def __init__(
        self,
        stage: Stage,
        window: int,
        overlap: int,
        *,
        streaming: bool,
        backend: Any,
        threads: int,
        plant: float = 1.0,
    ) -> None:
        from ppvsr.compile.backend import use_backend

        self.net: Any = load_network(stage.variant, stage.weights)  # type: ignore[arg-type]
        self.backend = use_backend(self.net, stage.variant.options, backend, threads=threads, say=print)
        self.window, self.overlap = window, overlap
        self.streaming = streaming and getattr(self.net, "streams", False)
        self.plant = 1.0
        self._states = States()
        if hasattr(self.net, "_enlarge"):
            watch(self.net, self._record)

    def run(self, name: str, truth: Sequence[Image], crf: int | None = None) -> Result:
        """Enhance LQ of the truth and measure it."""
        from ppvsr.enhance.engine import Enhancer

        lq = shrunk(truth, crf)
        height, width = lq[0].shape[:2]
        limits = Limits(self.net.min_size, self.net.size_multiple, self.net.scale)
        tile = limits.padded(height), limits.padded(width)
        plan = Plan(height, width, limits, self.window, self.overlap, tile, 0, self.streaming)
        self._states = States()
        start = time.process_time()
        frames = [Frame(image, number / RATE) for number, image in enumerate(lq)]
        enhancer = Enhancer(self.net, plan, guard=False)
        if self.plant != 1:
            plant(enhancer, self.plant)
        enhanced = [frame.image for frame in enhancer(frames)]
        seconds = (time.process_time() - start) / len(lq)
        shape = truth[0].shape[:2]
        bicubic = np.array([quality(resize(image, *shape), true) for image, true in zip(lq, truth, strict=True)])
        results = np.array([quality(image, true) for image, true in zip(enhanced, truth, strict=True)])
        steps = np.array(list(backward_steps(len(lq), self.window, self.overlap, self.streaming)))
        departures = np.array([departure(image, source) for image, source in zip(enhanced, lq, strict=True)])
        return Result(name, bicubic, results - bicubic, steps, self._states, seconds, departures)

    def _record(self, found: Sequence[Sequence[Any]], known: int) -> None:
        """Note the states of a block: of MSVSR, which has two features and then the branches in order."""
        from ppvsr.archs.msvsr import BRANCHES, MSVSR

        if not isinstance(self.net, MSVSR):
            return
        for place, feats in enumerate(found):
            for branch, state in zip(BRANCHES, feats[2:], strict=False):
                sizes = self._states.sizes.setdefault(branch, [])
                if "backward" in branch:
                    step = len(found) - 1 - place
                elif place >= known:
                    continue  # it will be made again
                else:
                    step = len(sizes)
                sizes.append((step, float((state**2).mean().sqrt()), float(state.abs().max())))


def plant(enhancer: Any, factor: float) -> None:
    """Let a stream carry from block to block what is `factor` times as large."""
    net = enhancer._way.net

    class Planted:
        def extend(self, *args: Any, **options: Any) -> Any:
            pictures, state = net.extend(*args, **options)
            carried = {name: tuple(x * factor for x in tensors) for name, tensors in state.carried.items()}
            return pictures, replace(state, carried=carried)

    enhancer._way = replace(enhancer._way, net=Planted())


def watch(net: Any, record: Any) -> None:
    """Let `record` see what a network that streams found for every frame of a block, and how many of them are known."""
    own = net._enlarge

    def enlarge(clip: Any) -> Any:
        found, known = list(clip.feats), clip._known  # the lists grow while branches walk along them
        outputs = own(clip)
        record(found, known)
        return outputs

    vars(net)["_enlarge"] = enlarge


def backward_steps(count: int, window: int, overlap: int, streaming: bool) -> Iterator[int]:
    """Yield for every frame how many steps the backward branches have gone when they reach it; 0: they begin there."""
    from ppvsr.enhance.engine import Streamed, Windowed

    items: Any = ((Frame(np.empty(0, np.uint8), Fraction(i)), i) for i in range(count))
    way: Any = (Streamed if streaming else Windowed)(None, window, overlap)  # type: ignore[arg-type]
    for block in way.blocks(items):
        for frame in block.kept:
            yield block.given[-1][1] - int(frame.time)


def quality(image: Any, truth: Image) -> float:
    """PSNR (Y) in dB, at most 100."""
    return min(psnr(image, truth, y=True), 100.0)


def badness(result: Result) -> float:
    """Return how bad a result is: dB that the worst frame is under bicubic, and the logarithm of the states' growth."""
    return max(-float(result.gain.min()), 0.0) + float(np.log(result.states.growth("backward")))


def search(
    bench: Bench, rng: np.random.Generator, tries: int, climb: int, frames: int, side: int, photos: Sequence[Path]
) -> tuple[Recipe, Result]:
    """Draw videos, then change the worst of them; return the worst of all."""
    found: list[tuple[Recipe, Result]] = []
    for turn in range(tries + climb):
        recipe = draw(rng, photos) if turn < tries else change(found[-1][0], rng)
        result = bench.run(f"{turn}: {recipe.texture}", make(recipe, frames, side))
        if not found or badness(result) > badness(found[-1][1]):
            found.append((recipe, result))
            print(result, f"\n    {recipe}", flush=True)
    return found[-1]


def contents(args: argparse.Namespace) -> Iterator[tuple[str, list[Image]]]:
    """Yield the names of what is to be measured, and GT."""
    if args.videos:
        for path in sorted(args.videos.iterdir()):
            if not args.only or path.stem in args.only:
                yield path.stem, read(path, args.frames, args.side)
        return
    unknown = set(args.only) - set(CONTENTS)
    if unknown:
        raise SystemExit(f"there is no content {', '.join(sorted(unknown))}; there are: {', '.join(CONTENTS)}")
    for name, recipe in CONTENTS.items():
        if not args.only or name in args.only:
            yield name, make(recipe, args.frames, args.side)


def summary(results: Sequence[Result]) -> list[str]:
    """Return the lines under the table: all contents together, and the gain by steps of the backward branches."""
    gains = np.concatenate([result.gain for result in results])
    steps = np.concatenate([result.steps for result in results])
    worst = min(results, key=lambda result: result.gain.min())
    lines = [
        f"all: gain {gains.mean():+.3f} dB, {(gains < -UNDER).mean():.2%} of {len(gains)} frames under bicubic, worst "
        f"{worst.gain.min():+.2f} dB ({worst.name}, frame {worst.worst}), "
        f"{np.mean([result.seconds for result in results]):.3f} s of processor time a frame",
        guarded(results),
        "steps of the backward branches: mean gain, least gain",
    ]
    edges = [*range(0, int(steps.max()) + 2, max(1, (int(steps.max()) + 1) // 10)), int(steps.max()) + 1]
    for low, high in pairwise(sorted(set(edges))):
        part = gains[(steps >= low) & (steps < high)]
        if len(part):
            lines.append(f"  {low:3} to {high - 1:3}: {part.mean():+.2f} {part.min():+.2f}")
    return lines


def guarded(results: Sequence[Result]) -> str:
    """Return what the guard would have seen: departures of sound frames, and how many of the others it catches."""
    gains = np.concatenate([result.gain for result in results])
    departures = np.concatenate([result.departures for result in results])
    sound = gains >= -WRONG
    highest = departures[sound].max(initial=0)
    caught = int((departures[~sound] > LIMIT).sum())
    return (
        f"guard: {sound.sum()} sound frames depart by up to {highest:.1f} (limit {LIMIT:g}); "
        f"{caught} of {(~sound).sum()} others are caught"
    )


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="measure", choices=["measure", "search"])
    parser.add_argument("--variant", default="PPMSVSR")
    parser.add_argument("--weights")
    parser.add_argument("--window", type=int, help="the variant's own")
    parser.add_argument("--overlap", type=int, help="the variant's own")
    parser.add_argument("--windows", action="store_true", help="windows instead of a stream")
    parser.add_argument("--frames", type=int, help="of each content (300; search: a window and one more)")
    parser.add_argument("--side", type=int, default=64, help="of LQ")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="contents")
    parser.add_argument("--videos", type=Path, metavar="FOLDER")
    parser.add_argument("--photos", type=Path, metavar="FOLDER")
    parser.add_argument("--crf", type=int, help="compress LQ by x264")
    parser.add_argument("--plant", type=float, default=1.0, metavar="FACTOR")
    parser.add_argument("--backend", default="auto", choices=["auto", "compiled", "dygraph"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of a search")
    parser.add_argument("--tries", type=int, default=40, help="of a search: videos drawn by chance")
    parser.add_argument("--climb", type=int, default=20, help="of a search: changes tried on the worst of them")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    return parser


def main() -> None:
    """Measure, or search, and print; write what is asked for."""
    args = parser().parse_args()
    cv2.setNumThreads(args.threads)
    (stage,) = choose_stages(args.variant, args.weights)
    use_device()
    window, overlap = Cut(args.window, args.overlap).window_of(stage.variant, stage.weights)
    bench = Bench(
        stage, window, overlap, streaming=not args.windows, backend=args.backend, threads=args.threads, plant=args.plant
    )
    way = f"{'stream' if bench.streaming else 'windows'} {window}:{overlap}"
    print(f"{stage}\n{way}, LQ {args.side}x{args.side}, {bench.backend}\n{HEAD}", flush=True)
    if args.what == "search":
        photos = sorted(args.photos.iterdir()) if args.photos else []
        rng = np.random.default_rng(args.seed)
        search(bench, rng, args.tries, args.climb, args.frames or window + 1, args.side, photos)
        return
    args.frames = args.frames or 300
    results = []
    for name, truth in contents(args):
        results.append(bench.run(name, truth, args.crf))
        print(results[-1], flush=True)
    if not results:
        raise SystemExit("nothing was measured: no content has a name of --only")
    print("\n".join(summary(results)))
    tree = {
        "variant": stage.variant.name,
        "weights": str(args.weights or getattr(stage.weights, "name", stage.weights)),
        "way": way,
        "side": args.side,
        "frames": args.frames,
        "crf": args.crf,
        "backend": bench.backend,
        "contents": [result.tree() for result in results],
    }
    if args.json:
        with written_whole(args.json) as unfinished:
            unfinished.write_text(json.dumps(tree) + "\n", encoding="utf-8")
    if args.plot:
        from benchmarks.stability_chart import draw_chart

        draw_chart([tree], args.plot)


if __name__ == "__main__":
    main()
