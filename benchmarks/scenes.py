"""Does it help to start afresh at a cut? PSNR of the frames around cuts, with scenes told apart and without.

    python benchmarks/scenes.py CLIP CLIP ... [--frames 20] [--size 640x360] [--skip 0] [--rounds 1] [--around 2]
                                [--variant PPMSVSR] [--weights bi] [--backend auto] [--threads N]

The middle of `--frames` frames of every clip, `--size` large, is the truth; the clips are put one behind the other,
shrunk four times as MATLAB does, and enhanced twice: as one scene, and cut at the scenes that the detector finds. A
round goes through all clips once, each time `--frames` frames later. Clips that are too small or too short are left
out, with a line. Prints what the detector found, and the PSNR (Y) of the frames around the cuts and of the others.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from ppvsr.enhance.chunks import Enhance, pieces, run
from ppvsr.enhance.network import Cut, Engine, choose_stages, make_enhancer, plan_stage
from ppvsr.errors import PpvsrError
from ppvsr.evaluate.metrics import psnr
from ppvsr.resize import resize
from ppvsr.system.paddle import use_device
from ppvsr.video.frames import Frame, Image
from ppvsr.video.images import to_depth
from ppvsr.video.open import open_source
from ppvsr.video.scenes import SceneOptions, marked

SEGMENT = 64  # frames of a piece, as in films
RATE = Fraction(25)


def main() -> None:
    """Cut a film together, enhance it both ways, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=20, help="of every clip")
    parser.add_argument("--size", default="640x360", metavar="WxH", help="of the truth")
    parser.add_argument("--skip", type=int, default=0, help="frames of every clip to leave out")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--around", type=int, default=2, help="frames on either side of a cut")
    parser.add_argument("--variant", default="PPMSVSR")
    parser.add_argument("--weights")
    parser.add_argument("--backend", default="auto", choices=["auto", "compiled", "dygraph"])
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    width, height = map(int, re.split("x", args.size))
    truth, cuts = cut_together(args.clips, args.frames, args.skip, args.rounds, (height, width))
    film = [
        Frame(resize(image, height // 4, width // 4), number / RATE, 1 / RATE) for number, image in enumerate(truth)
    ]
    (stage,) = choose_stages(args.variant, args.weights)
    use_device()
    plan, net = plan_stage(stage, height // 4, width // 4, Cut(), encoded=False)
    enhance = make_enhancer(stage, plan, net, Engine(args.backend, args.threads), print)
    found = [number for number, (_, cut) in enumerate(marked(film, SceneOptions(), rate=RATE)) if cut]
    false = len(set(found) - set(cuts))
    print(stage)
    print(f"{len(film)} frames of {width // 4}x{height // 4}, {plan}")
    print(f"{len(set(found) & set(cuts))} of {len(cuts)} cuts found, {false} false alarms\n", flush=True)
    table(
        {
            "bicubic": measure([resize(frame.image, height, width) for frame in film], truth),
            "as one scene": measure(enhanced(film, SceneOptions(detect=False), enhance, plan.overlap), truth),
            "cut at scenes": measure(enhanced(film, SceneOptions(), enhance, plan.overlap), truth),
        },
        cuts,
        args.around,
    )


def cut_together(
    paths: list[Path], frames: int, skip: int, rounds: int, size: tuple[int, int]
) -> tuple[list[Image], list[int]]:
    """Return the pictures, and the numbers of those that follow a cut."""
    film: list[Image] = []
    cuts = []
    for turn in range(rounds):
        for path in paths:
            try:
                clip = list(islice(middles(path, size), skip + turn * frames, skip + (turn + 1) * frames))
            except PpvsrError as error:
                print(f"left out: {error}")
                continue
            if len(clip) < frames:
                print(f"{path}: left out: too small or too short")
                continue
            cuts += [len(film)] if film else []
            film += clip
    return film, cuts


def middles(path: Path, size: tuple[int, int]) -> Iterator[Image]:
    """Yield the middles of the frames of a clip, 8 bits a sample; none if it is too small."""
    with open_source(path) as source:
        for frame in source:
            top, left = ((have - want) // 2 for have, want in zip(frame.image.shape, size, strict=False))
            if min(top, left) < 0:
                return
            yield to_depth(frame.image[top : top + size[0], left : left + size[1]], 8)


def enhanced(film: list[Frame], scenes: SceneOptions, enhance: Enhance, context: int) -> list[Image]:
    """Enhance a film piece by piece, as `video-enhance` does."""
    cut_up = pieces(marked(film, scenes, rate=RATE), size=SEGMENT, context=context)
    return [frame.image for piece in cut_up for frame in run(piece, enhance)]


def measure(images: list[Image], truth: list[Image]) -> np.ndarray:
    """PSNR (Y) of every picture, in dB."""
    return np.array([psnr(image, true, y=True) for image, true in zip(images, truth, strict=True)])  # type: ignore[arg-type]


def table(results: dict[str, np.ndarray], cuts: list[int], around: int) -> None:
    """Print the mean of every way for every distance from a cut, and what cutting gains."""
    length = len(next(iter(results.values())))
    near = {n + step for n in cuts for step in range(-around, around)}
    rows = {f"{-step} before the cut": [n + step for n in cuts] for step in range(-around, 0)}
    rows |= {f"{step + 1} after the cut": [n + step for n in cuts] for step in range(around)}
    rows[f"all {around} + {around} around cuts"] = sorted(near)
    rows["all others"] = [n for n in range(length) if n not in near]
    print("| frame |", " | ".join(results), "| gain of cutting | worst, best |")
    print("|---" * (len(results) + 3) + "|")
    for name, numbers in rows.items():
        values = {way: result[numbers] for way, result in results.items()}
        gain = values["cut at scenes"] - values["as one scene"]
        cells = [f"{value.mean():.2f}" for value in values.values()]
        print(f"| {name} |", " | ".join(cells), f"| {gain.mean():+.3f} | {gain.min():+.2f}, {gain.max():+.2f} |")


if __name__ == "__main__":
    main()
