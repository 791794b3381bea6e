"""How much faster is ppvsr's own deformable convolution than Paddle's on the CPU?

    python benchmarks/deform.py [--threads 2] [--rounds 5] [--spread 3] [--sizes 160x90 320x180] [--no-backward]

Both run in turn on the same inputs, 32 to 32 channels, 3x3, with masks; offsets are normally distributed with a
standard deviation of `spread` pixels. Prints the median times, the median of the ratios within a round and the ratio of
the best times. On a busy machine both are too low, because Paddle's uses one thread whatever it is told, and ours waits
for the slower of its threads: twice the ratio of --threads 1 is then nearer to the truth.
Required are 8x forward and 4x backward, the aim is 20x and 8x.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANNELS, GROUPS = 32, (4, 8)
REQUIRED = {"forward": (8, 20), "backward": (4, 8)}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spread", type=float, default=3.0, metavar="PIXELS")
    parser.add_argument("--sizes", nargs="*", default=["160x90", "320x180"], metavar="WxH")
    parser.add_argument("--no-backward", dest="backward", action="store_false")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # before Paddle reads it
    import paddle

    from ppvsr.ops import native

    paddle.set_device("cpu")
    start = time.perf_counter()
    if reason := native.load():
        raise SystemExit(reason)
    print(f"{processor()}, {args.threads} of {os.cpu_count()} threads, Paddle {paddle.__version__}")
    print(f"operator ready after {time.perf_counter() - start:.1f} s (compiled, or from the cache)")
    print("size     groups what      Paddle ms  ours ms  ratio  best required  aim  difference")
    for size in args.sizes:
        for groups in GROUPS:
            for what in ("forward", "backward")[: 1 + args.backward]:
                theirs, ours, difference = jobs(what, size, groups, args.spread)
                ours()  # warm
                pairs = [
                    (seconds(theirs), statistics.median(seconds(ours) for _ in range(5))) for _ in range(args.rounds)
                ]
                slow, fast = zip(*pairs, strict=True)
                ratio, best = statistics.median(a / b for a, b in pairs), min(slow) / min(fast)
                required, aim = REQUIRED[what]
                print(
                    f"{size:8} {groups:6} {what:8} {1e3 * statistics.median(slow):10.1f} "
                    f"{1e3 * statistics.median(fast):8.1f} {ratio:5.1f}x {best:4.1f}x {required:8}x {aim:3}x"
                    f"  {difference():.1e}",
                    flush=True,
                )


def jobs(what: str, size: str, groups: int, spread: float) -> tuple[Callable[[], Any], Callable[[], Any], Any]:
    """Make Paddle's job, ours, and what tells their largest difference, relative to the largest number."""
    import paddle
    from paddle.vision.ops import deform_conv2d

    from ppvsr.ops import native

    w, h = map(int, re.split("x", size))
    paddle.seed(0)
    inputs = [
        paddle.randn([1, CHANNELS, h, w]),
        spread * paddle.randn([1, 18 * groups, h, w]),
        paddle.randn([CHANNELS, CHANNELS, 3, 3]) / (9 * CHANNELS) ** 0.5,
        paddle.randn([CHANNELS]),
    ]
    mask = paddle.rand([1, 9 * groups, h, w])
    options: dict[str, Any] = {"padding": 1, "deformable_groups": groups, "mask": mask}
    if what == "forward":
        runs = [lambda f=f: [f(*inputs, **options)] for f in (deform_conv2d, native.deform_conv2d)]
    else:
        for each in (*inputs, mask):
            each.stop_gradient = False
        results = [f(*inputs, **options) for f in (deform_conv2d, native.deform_conv2d)]
        came = paddle.randn(results[0].shape)
        runs = [lambda r=r: paddle.grad(r, [*inputs, mask], came, retain_graph=True) for r in results]

    def difference() -> float:
        return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(runs[1](), runs[0](), strict=True))

    return runs[0], runs[1], difference


def seconds(job: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def processor() -> str:
    """Name the processor as far as the system tells."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", info.read_text()) if info.is_file() else []
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
