"""What a pass of each network needs at its peak: the `memory` figures of ppvsr/weights/zoo.py.

    python benchmarks/memory.py [VARIANT ...]

Every measurement runs in a process of its own (a peak cannot be taken back), with fresh weights: only sizes matter. The
figures are the smallest (bytes per pixel and frame, bytes per pixel) that cover all measurements.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

from ppvsr.weights.zoo import VARIANTS, find_variant

CASES = ((2, 64, 64), (8, 64, 64), (2, 96, 128), (8, 96, 128), (14, 96, 128))  # frames, height, width


def peak() -> int:
    """Return this process's largest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(name: str, frames: int, height: int, width: int) -> None:
    """Print how much one pass adds to the peak. Runs in a child process."""
    from ppvsr.assemble.network import create_model

    variant = find_variant(name)
    net = create_model(str(variant.arch), **variant.options)
    net.eval()
    import paddle

    with paddle.no_grad():
        net(paddle.rand([1, 1, 3, 64, 64]))  # what the first call needs once
        before = peak()
        net(paddle.rand([1, frames, 3, height, width]))
    print(peak() - before)


def fit(points: list[tuple[int, int, int]]) -> tuple[float, float]:
    """Return the smallest (per_frame, per_pass) whose prediction covers every (frames, pixels, bytes)."""
    best: tuple[float, float, float] | None = None
    per_pixel = [(frames, need / pixels) for frames, pixels, need in points]
    for i, (t1, y1) in enumerate(per_pixel):
        for t2, y2 in per_pixel[i + 1 :]:
            if t1 == t2:
                continue
            slope = max((y2 - y1) / (t2 - t1), 0.0)
            base = max(max(y - slope * t for t, y in per_pixel), 0.0)
            excess = sum(slope * t + base - y for t, y in per_pixel)
            if best is None or excess < best[0]:
                best = (excess, slope, base)
    assert best is not None
    return best[1], best[2]


def main() -> None:
    """Measure the variants that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", metavar="VARIANT")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return measure(args.child[0], *map(int, args.child[1:]))
    for name in args.variants or [variant.name for variant in VARIANTS.values() if variant.arch]:
        points = []
        for frames, height, width in CASES:
            command = [sys.executable, __file__, "--child", name, str(frames), str(height), str(width)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            points.append((frames, height * width, int(answer.stdout.split()[-1])))
            print(f"{name}: {frames} frames of {width}x{height}: {points[-1][2] / 2**20:.0f} MB", flush=True)
        per_frame, per_pass = fit(points)
        print(f"{name}: memory=({per_frame:.0f}, {per_pass:.0f})", flush=True)


if __name__ == "__main__":
    main()
