"""Can one see where blocks, windows and tiles meet? PSNR between a film enhanced in pieces and enhanced whole.

    python benchmarks/seams.py [--variant PPMSVSR] [--weights bi] [--input demo/bee_160x90.mp4] [--backend compiled]
                               [--windows 20:2 20:3 20:5] [--tiles 96x90]

Prints, for every window:overlap, as a stream (where the network can) and in windows each for itself, and for every tile
size, the mean and the worst frame in dB (the same picture: inf), and what the pieces cost in processor time. The
defaults in ppvsr/weights/zoo.py must stay above 50 dB on average and 45 dB for the worst frame.
"""

from __future__ import annotations

import argparse
import re
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.assemble.network import load_network
from ppvsr.assemble.stages import choose_stages
from ppvsr.enhance.plan import TILE_OVERLAP, Limits, Plan
from ppvsr.framework import use_device
from ppvsr.metrics import psnr
from ppvsr.video.frames import Frame
from ppvsr.video.open import open_source

DEMO = Path(__file__).resolve().parents[1] / "demo/bee_160x90.mp4"


def pair(text: str) -> tuple[int, int]:
    """Read "20:3" or "96x90"."""
    first, second = re.split("[:x]", text)
    return int(first), int(second)


def main() -> None:
    """Run whole, then in pieces, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="PPMSVSR")
    parser.add_argument("--weights")
    parser.add_argument("--input", type=Path, default=DEMO)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--windows", nargs="*", default=["20:2", "20:3", "20:5"], metavar="SIZE:OVERLAP")
    parser.add_argument("--tiles", nargs="*", default=["96x90"], metavar="WxH")
    parser.add_argument("--backend", default="auto", choices=["auto", "compiled", "dygraph"])
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    (stage,) = choose_stages(args.variant, args.weights)
    use_device()
    from ppvsr.enhance.engine import Enhancer
    from ppvsr.runtime.backend import use_backend

    net: Any = load_network(stage.variant, stage.weights)  # type: ignore[arg-type]
    backend = use_backend(net, stage.variant.options, args.backend, threads=args.threads, say=print)
    with open_source(args.input, frames=args.frames) as source:
        film = [frame.image for frame in source]
    height, width = film[0].shape[:2]
    limits = Limits(net.min_size, net.size_multiple, net.scale)
    whole_frame = limits.padded(height), limits.padded(width)

    def run(window: int, overlap: int, tile: tuple[int, int], streaming: bool) -> tuple[list[np.ndarray], float]:
        start = time.process_time()
        enhance = Enhancer(net, Plan(height, width, limits, window, overlap, tile, 0, streaming))
        frames = (Frame(image, Fraction(i)) for i, image in enumerate(film))
        return [frame.image for frame in enhance(frames)], time.process_time() - start

    run(2, 0, whole_frame, False)  # what is loaded late is loaded now
    whole, seconds = run(len(film), 0, whole_frame, False)
    print(stage)
    print(f"{len(film)} frames of {width}x{height} whole, {backend}: {seconds:.0f} s of processor time", flush=True)
    kinds = {True: "stream", False: "windows"} if net.streams else {False: "windows"}
    pieces = [(*cut, whole_frame, kind) for cut in map(pair, args.windows) for kind in kinds]
    pieces += [(len(film), 0, (h, w), False) for w, h in map(pair, args.tiles)]
    for window, overlap, tile, kind in pieces:
        result, taken = run(window, overlap, tile, kind)
        values = [psnr(a, b) for a, b in zip(result, whole, strict=True)]
        tiled = f"tiles {tile[1]}x{tile[0]} + {TILE_OVERLAP}"
        what = f"{kinds[kind]} {window}:{overlap}" if tile == whole_frame else tiled
        mean = float(np.mean(np.minimum(values, 100.0)))
        print(f"{what}: mean {mean:.1f} dB, worst {min(values):.1f} dB, {taken / seconds:.2f}x the time", flush=True)


if __name__ == "__main__":
    main()
