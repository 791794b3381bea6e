"""What a pass of each network needs at its peak: the `memory` figures of ppvsr/weights/zoo.py.

    python benchmarks/memory.py [VARIANT ...]

Every measurement runs in a process of its own (a peak cannot be taken back), with fresh weights: only sizes matter. A
plane is laid through the measurements, peak = program + (frames * per_frame + per_pass) * pixels, and then raised until
it covers all of them; `program` is for PROGRAM in ppvsr/enhance/plan.py.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

import numpy as np

from ppvsr.weights.zoo import VARIANTS, find_variant

CASES = ((2, 64, 64), (8, 64, 64), (2, 128, 128), (8, 128, 128))  # frames, height, width


def measure(name: str, frames: int, height: int, width: int) -> None:
    """Print this process's largest resident size after one pass, in bytes. Runs in a child process."""
    from ppvsr.assemble.network import create_model

    variant = find_variant(name)
    net = create_model(str(variant.arch), **variant.options)
    net.eval()
    import paddle

    with paddle.no_grad():
        net(paddle.rand([1, frames, 3, height, width]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def fit(points: list[tuple[int, int, int]]) -> tuple[float, float, float]:
    """Return (program, per_frame, per_pass), in bytes, from (frames, pixels, peak)."""
    table = np.array([(1, frames * pixels, pixels) for frames, pixels, _ in points], float)
    peaks = np.array([peak for *_, peak in points], float)
    program, per_frame, per_pass = np.linalg.lstsq(table, peaks, rcond=None)[0]
    per_pass = max(per_pass, 0.0)
    raised = max((peaks - program) / (table[:, 1] * per_frame + table[:, 2] * per_pass))
    return program, per_frame * raised, per_pass * raised


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
        program, per_frame, per_pass = fit(points)
        print(f"{name}: memory=({per_frame:.0f}, {per_pass:.0f}), program {program / 2**20:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
