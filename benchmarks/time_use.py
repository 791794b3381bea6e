"""Does a network use time? PSNR of its results for films, and for single frames repeated as often as a film is long.

    python -m benchmarks.time_use --gt GT [--frames 12] [--every 4] [--variant PPMSVSR] [--weights bi | FILE]
                                  [--backend auto] [--threads N]

GT holds a folder of pictures for each clip, or films. LQ is made of them as MATLAB does (BIx4). Every `--every`th frame
is measured (Y), once as part of its clip and once out of a film that shows nothing else; what the first has more is
what the network got out of its neighbours. Pictures are cut to multiples of four. Bicubic stands beside both.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.scenes import RATE, enhanced, measure
from ppvsr.enhance.network import Cut, Engine, choose_stages, make_enhancer, plan_stage
from ppvsr.resize import resize
from ppvsr.system.paddle import use_device
from ppvsr.video.frames import Frame, Image
from ppvsr.video.images import to_depth
from ppvsr.video.open import open_source
from ppvsr.video.scenes import SceneOptions

WHOLE = SceneOptions(detect=False)


def main() -> None:
    """Measure every clip and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gt", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=12, help="of every clip, from its start")
    parser.add_argument("--every", type=int, default=4, help="measure every so many frames")
    parser.add_argument("--variant", default="PPMSVSR")
    parser.add_argument("--weights")
    parser.add_argument("--backend", default="auto", choices=["auto", "compiled", "dygraph"])
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    use_device()
    (stage,) = choose_stages(args.variant, args.weights)
    print(f"{stage}\n{'clip':32} {'bicubic':>8} {'film':>8} {'one frame':>10} {'by time':>8}", flush=True)
    rows = []
    for path in sorted(args.gt.iterdir()):
        truth = clip(path, args.frames)
        h, w = truth[0].shape[:2]
        lq = [resize(image, h // 4, w // 4) for image in truth]
        plan, net = plan_stage(stage, h // 4, w // 4, Cut(), encoded=False)
        enhance = make_enhancer(stage, plan, net, Engine(args.backend, args.threads), lambda line: None)
        chosen = range(args.every // 2, len(truth), args.every)
        whole = enhanced(film(lq), WHOLE, enhance, plan.overlap)
        single = [enhanced(film([lq[i]] * len(lq)), WHOLE, enhance, plan.overlap)[i] for i in chosen]
        results = [resize(lq[i], h, w) for i in chosen], [whole[i] for i in chosen], single
        rows.append([measure(result, [truth[i] for i in chosen]).mean() for result in results])
        show(path.stem, rows[-1])
    show("mean", list(np.mean(rows, axis=0)))


def clip(path: Path, frames: int) -> list[Image]:
    """Read the first frames of a clip, cut to multiples of four, 8 bits a sample."""
    with open_source(path) as source:
        images = [to_depth(frame.image, 8) for frame in islice(source, frames)]
    return [image[: image.shape[0] // 4 * 4, : image.shape[1] // 4 * 4] for image in images]


def film(images: list[Image]) -> list[Frame]:
    """Make frames of pictures."""
    return [Frame(image, number / RATE, 1 / RATE) for number, image in enumerate(images)]


def show(name: str, scores: list[float]) -> None:
    """Print a row."""
    bicubic, whole, single = scores
    print(f"{name:32} {bicubic:8.2f} {whole:8.2f} {single:10.2f} {whole - single:+8.2f}", flush=True)


if __name__ == "__main__":
    main()
