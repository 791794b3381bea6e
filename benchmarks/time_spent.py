"""Where does the time of a compiled network go, and how near are its convolutions to the limit?

    python -m benchmarks.time_spent [PPMSVSR] [--size 160x90] [--frames 5] [--threads 2] [--json FILE]

oneDNN and ppvsr's own operators say how long each call took (ONEDNN_VERBOSE=1, PPVSR_VERBOSE=1) and what it computed,
from which follow the operations of every convolution: 2 x batch x channels in x channels out x kernel x pixels out.
Their sum divided by the time of the convolutions alone is the convolutions' rate. The machine's own rate is that of a
product of two 2048x2048 float32 matrices by Paddle (MKL), measured between the passes of the same process, with the
same threads: the share is one divided by the other. It may exceed 1: Winograd's algorithm needs a quarter of the
products that are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.speed import make_network, processor

SIDE = 2048  # of the matrices
PASSES = 3
MARK = "ppvsr:"
OWN = "ppvsr_verbose"
CONVOLUTIONS = "convolution", "own conv3x3"
SHAPE = re.compile(
    r"(?:g(?P<g>\d+))?mb(?P<mb>\d+)_ic(?P<ic>\d+)oc(?P<oc>\d+)_ih\d+oh(?P<oh>\d+)kh(?P<kh>\d+).*?"
    r"_iw\d+ow(?P<ow>\d+)kw(?P<kw>\d+)"
)


def measure(name: str, size: str, frames: int, threads: int) -> dict[str, Any]:
    """Run a network in a child process that oneDNN reports on; return shares by step and by operator, and rates."""
    command = [sys.executable, "-m", "benchmarks.time_spent", name, "--size", size, "--frames", str(frames)]
    quiet = {"GLOG_minloglevel": "2", "PYTHONWARNINGS": "ignore"}
    environment = {**os.environ, **quiet, "ONEDNN_VERBOSE": "1", "PPVSR_VERBOSE": "1", "OMP_NUM_THREADS": str(threads)}
    root = Path(__file__).parents[1]
    child = subprocess.run(
        [*command, "--threads", str(threads), "--child"], env=environment, cwd=root, stdout=subprocess.PIPE, text=True
    )
    if child.returncode:
        raise SystemExit(f"{name}: the measuring process ended with {child.returncode}")
    return {"name": name, "size": size, "frames": frames, "threads": threads, **digest(child.stdout.splitlines())}


def digest(lines: Iterable[str]) -> dict[str, Any]:
    """Add up what a child printed between its marks."""
    operators: defaultdict[str, float] = defaultdict(float)
    operations, counted, report = 0.0, False, {}
    for line in lines:
        if line.startswith(MARK):
            word, _, rest = line.removeprefix(MARK).partition(" ")
            counted = word == "begin" or (counted and word != "end")
            if word == "report":
                report = json.loads(rest)
        elif counted and ",exec," in line:
            fields = line.split(",")
            name = f"own {fields[2]}" if fields[0] == OWN else fields[5]
            operators[name] += float(fields[-1]) / 1000
            if name in CONVOLUTIONS:
                operations += flops(fields[-2])
    whole = report["seconds"]
    operators["the rest: copies, Paddle's other operators, Python"] = whole - sum(operators.values())
    rate, machine = operations / sum(operators[name] for name in CONVOLUTIONS), report["machine"]
    return {
        "steps": {key: value / sum(report["steps"].values()) for key, value in report["steps"].items()},
        "operators": {key: value / whole for key, value in sorted(operators.items(), key=lambda pair: -pair[1])},
        "seconds_per_frame": whole / report["frames"],
        "gflop_per_frame": operations / report["frames"] / 1e9,
        "convolutions": rate,
        "machine": machine,
        "share": rate / machine,
    }


def flops(shape: str) -> float:
    """Return the operations of a convolution, from oneDNN's description of it."""
    found = SHAPE.match(shape)
    if found is None:
        raise SystemExit(f"oneDNN describes a convolution in an unknown way: {shape}")
    sizes = {key: int(value or 1) for key, value in found.groupdict().items()}
    product = 2.0 / sizes.pop("g")
    for each in sizes.values():
        product *= each
    return product


def work(name: str, size: str, frames: int, threads: int) -> None:
    """Be the child: print marks between what oneDNN prints, and a report at the end."""
    import paddle

    from ppvsr.compile.backend import use_backend
    from ppvsr.compile.steps import places

    net, options = make_network(name)
    width, height = map(int, size.split("x"))
    clip = paddle.rand([1, frames, 3, height, width])
    used = use_backend(net, options, "compiled", threads=threads, say=lambda line: print(f"  {line}", file=sys.stderr))
    assert used == "compiled"
    steps: defaultdict[str, float] = defaultdict(float)
    for name_, (layer, method) in zip(net.steps, list(places(net)), strict=True):
        vars(layer)[method] = timed(getattr(layer, method), name_.removesuffix(".forward"), steps)
    rates = [product_rate()]
    with paddle.no_grad():
        net(clip[:, :3])  # programs are loaded when they first run
        steps.clear()
        seconds = 0.0
        for _ in range(PASSES):
            print(f"{MARK}begin", flush=True)
            began = time.perf_counter()
            net(clip)
            seconds += time.perf_counter() - began
            print(f"{MARK}end", flush=True)
            rates.append(product_rate())
    report = {"seconds": seconds, "frames": PASSES * frames, "steps": steps, "machine": statistics.median(rates)}
    print(f"{MARK}report {json.dumps(report)}", flush=True)


def timed(step: Callable[..., Any], name: str, seconds: dict[str, float]) -> Callable[..., Any]:
    """Return a step that notes how long it takes."""

    def call(*arguments: Any) -> Any:
        words = [word for word in arguments if isinstance(word, str)]
        began = time.perf_counter()
        answer = step(*arguments)
        seconds[" ".join([name, *words])] += time.perf_counter() - began
        return answer

    return call


def product_rate() -> float:
    """Return the operations a second of a product of two large matrices, the best of five."""
    import paddle

    a, b = paddle.rand([SIDE, SIDE]), paddle.rand([SIDE, SIDE])
    paddle.matmul(a, b)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        paddle.matmul(a, b)
        best = min(best, time.perf_counter() - began)
    return 2 * SIDE**3 / best


def show(result: dict[str, Any]) -> None:
    """Print both tables."""
    print(f"{result['name']} {result['size']}, {result['seconds_per_frame']:.3f} s a frame")
    for title in ("steps", "operators"):
        print(f"\n{title}")
        for key, share in sorted(result[title].items(), key=lambda pair: -pair[1]):
            print(f"  {share:6.1%}  {key}")
    print(
        f"\nconvolutions: {result['gflop_per_frame']:.1f} GFLOP a frame at {result['convolutions'] / 1e9:.0f} GFLOP/s,"
    )
    print(f"{result['share']:.0%} of the {result['machine'] / 1e9:.0f} GFLOP/s of a matrix product beside them")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", nargs="?", default="PPMSVSR")
    parser.add_argument("--size", default="160x90", metavar="WxH")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return work(args.variant, args.size, args.frames, args.threads)
    result = measure(args.variant, args.size, args.frames, args.threads)
    print(f"{processor()}, {args.threads} threads, load {os.getloadavg()[0]:.1f}")
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
