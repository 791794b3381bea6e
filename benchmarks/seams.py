"""Can one see where blocks, windows and tiles meet? PSNR between a video enhanced in pieces and enhanced whole.

    python benchmarks/seams.py [--variant PPMSVSR] [--weights bi] [--input FILE | FOLDER ...] [--backend compiled]
                               [--windows 20:2 20:3 20:5] [--tiles 96x90] [--frames 60] [--width 160]

Takes the clips of the demo, or all that --input names; those wider than --width are shrunk to it by bicubic. Prints,
for each and for every window:overlap, as a stream (where the network can) and in windows each for itself, and for every
tile size, the mean and the worst frame in dB with its number (the same: 100), and what the pieces cost in processor
time; at the end, for all clips together, the mean of means and the worst frame with its clip. The defaults in
ppvsr/weights/zoo.py must stay above 50 dB on average and 45 dB for the worst frame; but a network whose recurrence
diverges is no measure for itself: look at benchmarks/stability.py, too.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.enhance.network import choose_stages
from ppvsr.enhance.plan import TILE_OVERLAP, Limits, Plan
from ppvsr.evaluate.metrics import IDENTICAL, psnr
from ppvsr.resize import resize
from ppvsr.system.paddle import use_device
from ppvsr.video.frames import Frame, Image
from ppvsr.video.open import open_source
from ppvsr.weights.networks import load_network

DEMO = Path(__file__).resolve().parents[1] / "demo"
VIDEOS = (".mp4", ".mkv", ".mov", ".webm", ".avi")


@dataclass(frozen=True)
class Seam:
    """What pieces changed in one clip. values: PSNR by frame, in dB.  cost: times the processor time of the whole."""

    clip: str
    values: tuple[float, ...]
    cost: float

    def __str__(self) -> str:
        worst = int(np.argmin(self.values))
        mean = float(np.mean(self.values))
        return f"mean {mean:.1f} dB, worst {self.values[worst]:.1f} dB (frame {worst}), {self.cost:.2f}x the time"


def pair(text: str) -> tuple[int, int]:
    """Read "20:3" or "96x90"."""
    first, second = re.split("[:x]", text)
    return int(first), int(second)


def clips(paths: Sequence[Path]) -> list[Path]:
    """Return the videos that are meant: files as they are, of a folder its videos, or itself when it holds none."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(each for each in path.iterdir() if each.suffix.lower() in VIDEOS) if path.is_dir() else []
        found += inside or [path]
    return found


def read(path: Path, frames: int, width: int) -> list[Image]:
    """Return the first frames of a clip, no wider than `width`."""
    with open_source(path, frames=frames) as source:
        images = [frame.image for frame in source]
    down, across = images[0].shape[:2]
    if across <= width:
        return images
    return [resize(image, max(1, round(down * width / across)), width) for image in images]


def overall(seams: Sequence[Seam]) -> str:
    """Say what one kind of pieces changed in all clips."""
    worst = min(seams, key=lambda seam: min(seam.values))
    mean = float(np.mean([np.mean(seam.values) for seam in seams]))
    return f"mean {mean:.1f} dB, worst {min(worst.values):.1f} dB ({worst.clip}, frame {int(np.argmin(worst.values))})"


def main() -> None:
    """Run every clip whole, then in pieces, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="PPMSVSR")
    parser.add_argument("--weights")
    parser.add_argument(
        "--input", type=Path, nargs="+", action="extend", metavar="PATH", help="videos or folders of them"
    )
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--width", type=int, default=160, help="wider clips are shrunk to it")
    parser.add_argument("--windows", nargs="*", default=["20:2", "20:3", "20:5"], metavar="SIZE:OVERLAP")
    parser.add_argument("--tiles", nargs="*", default=["96x90"], metavar="WxH")
    parser.add_argument("--backend", default="auto", choices=["auto", "compiled", "dygraph"])
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    (stage,) = choose_stages(args.variant, args.weights)
    use_device()
    from ppvsr.compile.backend import use_backend

    net: Any = load_network(stage.variant, stage.weights)  # type: ignore[arg-type]
    backend = use_backend(net, stage.variant.options, args.backend, threads=args.threads, say=print)
    print(f"{stage}\n{backend}", flush=True)
    found: dict[str, list[Seam]] = {}
    for path in clips(args.input or [DEMO]):
        video = read(path, args.frames, args.width)
        for what, seam in measure(net, path.name, video, args.windows, args.tiles):
            found.setdefault(what, []).append(seam)
            print(f"  {what}: {seam}", flush=True)
    print("all clips:")
    for what, seams in found.items():
        print(f"  {what}: {overall(seams)}")


def measure(
    net: Any, name: str, video: Sequence[Image], windows: Sequence[str], tiles: Sequence[str]
) -> Iterator[tuple[str, Seam]]:
    """Yield (kind of pieces, what they changed) for one clip."""
    from ppvsr.enhance.engine import Enhancer

    height, width = video[0].shape[:2]
    limits = Limits(net.min_size, net.size_multiple, net.scale)
    whole_frame = limits.padded(height), limits.padded(width)

    def run(window: int, overlap: int, tile: tuple[int, int], streaming: bool) -> tuple[list[Image], float]:
        start = time.process_time()
        enhance = Enhancer(net, Plan(height, width, limits, window, overlap, tile, 0, streaming), guard=False)
        frames = (Frame(image, Fraction(i)) for i, image in enumerate(video))
        return [frame.image for frame in enhance(frames)], time.process_time() - start

    run(2, 0, whole_frame, False)  # what is loaded late is loaded now
    whole, seconds = run(len(video), 0, whole_frame, False)
    print(f"{name}: {len(video)} frames of {width}x{height} whole: {seconds:.0f} s of processor time", flush=True)
    kinds = {True: "stream", False: "windows"} if net.streams else {False: "windows"}
    pieces = [(*cut, whole_frame, kind) for cut in map(pair, windows) for kind in kinds]
    pieces += [(len(video), 0, (h, w), False) for w, h in map(pair, tiles)]
    for window, overlap, tile, kind in pieces:
        result, taken = run(window, overlap, tile, kind)
        values = tuple(min(psnr(a, b), IDENTICAL) for a, b in zip(result, whole, strict=True))  # type: ignore[arg-type]
        tiled = f"tiles {tile[1]}x{tile[0]} + {TILE_OVERLAP}"
        what = f"{kinds[kind]} {window}:{overlap}" if tile == whole_frame else tiled
        yield what, Seam(name, values, taken / seconds)


if __name__ == "__main__":
    main()
