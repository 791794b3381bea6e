"""Can one see where windows and tiles meet? PSNR between a film enhanced in pieces and enhanced whole.

    python benchmarks/seams.py [--variant PPMSVSR] [--weights bi] [--input demo/bee_160x90.mp4]
                               [--windows 20:2 20:3 20:5] [--tiles 96x90]

Prints, for every window:overlap and every tile size, the mean and the worst frame in dB (the same picture: inf), and
what the pieces cost. The defaults in ppvsr/weights/zoo.py must stay above 50 dB on average and
45 dB for the worst frame.
"""

from __future__ import annotations

import argparse
import re
import time
from fractions import Fraction
from pathlib import Path

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
    args = parser.parse_args()
    (stage,) = choose_stages(args.variant, args.weights)
    use_device()
    from ppvsr.enhance.engine import Enhancer

    net = load_network(stage.network, stage.weights)  # type: ignore[arg-type]
    with open_source(args.input, frames=args.frames) as source:
        film = [frame.image for frame in source]
    height, width = film[0].shape[:2]
    limits = Limits(net.min_size, net.size_multiple, net.scale)
    whole_frame = limits.padded(height), limits.padded(width)

    def run(window: int, overlap: int, tile: tuple[int, int]) -> tuple[list[np.ndarray], float]:
        start = time.perf_counter()
        enhance = Enhancer(net, Plan(height, width, limits, window, overlap, tile, 0))
        frames = (Frame(image, Fraction(i)) for i, image in enumerate(film))
        return [frame.image for frame in enhance(frames)], time.perf_counter() - start

    whole, seconds = run(len(film), 0, whole_frame)
    print(stage)
    print(f"{len(film)} frames of {width}x{height} whole: {seconds:.0f} s", flush=True)
    pieces = [(window, overlap, whole_frame) for window, overlap in map(pair, args.windows)]
    pieces += [(len(film), 0, (h, w)) for w, h in map(pair, args.tiles)]
    for window, overlap, tile in pieces:
        result, taken = run(window, overlap, tile)
        values = [psnr(a, b) for a, b in zip(result, whole, strict=True)]
        what = f"windows {window}:{overlap}" if tile == whole_frame else f"tiles {tile[1]}x{tile[0]} + {TILE_OVERLAP}"
        mean = float(np.mean(np.minimum(values, 100.0)))
        print(f"{what}: mean {mean:.1f} dB, worst {min(values):.1f} dB, {taken / seconds:.2f}x the time", flush=True)


if __name__ == "__main__":
    main()
