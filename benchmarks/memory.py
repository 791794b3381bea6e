"""What the networks need at their peak: the `memory` figures of ppvsr/weights/zoo.py, and whether the plans hold.

    python benchmarks/memory.py fit   [VARIANT ...] [--backend compiled]     # figures for the zoo
    python benchmarks/memory.py check [VARIANT ...] [--backend auto] [--sizes 64x64 ...] [--options memory=900M ...]
    python benchmarks/memory.py long  [VARIANT]     [--sizes 96x64]          # 1,000 frames against 100

Every measurement runs in a process of its own (a peak cannot be taken back) and means the resident memory of all of
it: Python, Paddle, imports, for `check` and `long` the encoder, too. Weights are fresh: only sizes matter.

`fit` runs the engine over one and a half windows. A plane is laid through the measurements, peak = fixed + (frames *
per_frame + per_pass) * pixels, and raised until it covers all of them. `check` makes films with `enhance_video`, and
prints the peak that was planned, the real one, and their ratio: it should be from 1.0 to 1.3.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.weights.zoo import VARIANTS, find_variant

MB = 2**20
BUNDLED = "PPMSVSRSmall"
SIZES = ("64x64", "96x64", "160x90", "200x120", "320x180")
CASES = ((4, 64, 64), (16, 64, 64), (4, 112, 112), (12, 112, 112))  # frames, height, width


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fit", "check", "long"])
    parser.add_argument("variants", nargs="*", metavar="VARIANT")
    parser.add_argument("--backend", default="auto", choices=["auto", "compiled", "dygraph"])
    parser.add_argument("--sizes", nargs="+", metavar="WxH")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--options", nargs="*", default=[], metavar="NAME=VALUE", help="of enhance_video")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        case = json.loads(args.child)
        print("\n" + json.dumps(run_engine(**case) if args.what == "fit" else run_film(**case)))
        return
    for name in args.variants or ([BUNDLED] if args.what == "long" else [v.name for v in VARIANTS.values() if v.arch]):
        common = {"name": find_variant(name).name, "backend": args.backend}
        if args.what == "fit":
            fit_one(common)
        else:
            options = dict(option.split("=") for option in args.options)
            counts = (100, 1000) if args.what == "long" else (args.frames,)
            sizes = args.sizes or (["96x64"] if args.what == "long" else list(SIZES))
            check_one(args.what, common, sizes, counts, options)


def fit_one(common: dict[str, Any]) -> None:
    """Print the row of a variant."""
    points, states = [], []
    for frames, height, width in CASES:
        answer = child("fit", {**common, "frames": frames, "height": height, "width": width})
        points.append((frames, height * width, answer["peak"]))
        states.append(answer["carried"])
        what = f"{common['name']} ({common['backend']}): windows of {frames} frames of {width}x{height}"
        print(f"{what}: {answer['peak'] / MB:.0f} MB, carries {answer['carried']:.0f} bytes a pixel", flush=True)
    fixed, per_frame, per_pass = plane(points)
    figures = f"memory=({per_frame:.0f}, {per_pass:.0f}, {fixed / MB:.0f} * MB, {max(states):.0f})"
    print(f"{common['name']} ({common['backend']}): {figures}, fixed with the program", flush=True)


def check_one(what: str, common: dict[str, Any], sizes: list[str], counts: tuple[int, ...], options: Any) -> None:
    """Print a row for every film."""
    for size in sizes:
        width, height = map(int, size.split("x"))
        for count in counts:
            answer = child(what, {**common, "frames": count, "height": height, "width": width, "options": options})
            plan, peak = answer["plan"] / MB, answer["peak"] / MB
            film = f"| {common['name']} | {answer['backend']} | {size}, {count} frames | {answer['how']} |"
            print(f"{film} {plan:.0f} MB | {peak:.0f} MB | {plan / peak:.2f} |", flush=True)


def child(what: str, case: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a process of its own."""
    command = [sys.executable, __file__, what, "--child", json.dumps(case)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(f"{case}: {answer.stderr.strip()[-2000:]}")
    return json.loads(answer.stdout.splitlines()[-1])


def peak() -> int:
    """Return this process's largest resident size so far, in bytes."""
    try:  # the other figure knows the process that started this one, too
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
    except (OSError, TypeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_engine(name: str, backend: str, frames: int, height: int, width: int) -> dict[str, Any]:
    """Run the engine over one and a half windows; return the peak, and what is carried, for `Cost.carried`."""
    import paddle

    import ppvsr.enhance.video  # noqa: F401  for its imports
    from ppvsr.compile.backend import use_backend
    from ppvsr.enhance.engine import Enhancer
    from ppvsr.enhance.network import Cut, Stage, plan_stage
    from ppvsr.video.frames import Frame

    paddle.seed(0)  # the same weights every time: they are compiled once
    variant = find_variant(name)
    overlap = min(variant.overlap, (frames - 1) // 2)
    plan, net = plan_stage(Stage(variant), height, width, Cut(frames, overlap, memory=2**50), encoded=False)
    net.eval()
    use_backend(net, variant.options, backend, threads=1)  # type: ignore[arg-type]
    carried = [0.0]
    if plan.streaming:
        extend = net.extend

        def watched(*args: Any, **options: Any) -> Any:
            pictures, state = extend(*args, **options)
            held = sum(4 * int(np.prod(x.shape)) for x in state.tensors())
            carried.append(held / (height * width) / (overlap + 1))
            return pictures, state

        net.extend = watched
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(frames * 3 // 2))
    for _ in Enhancer(net, plan)(Frame(image, Fraction(i)) for i, image in enumerate(images)):
        pass
    return {"peak": peak(), "carried": max(carried)}


def plane(points: list[tuple[int, int, int]]) -> tuple[float, float, float]:
    """Return (fixed, per_frame, per_pass), in bytes, from (frames, pixels, peak)."""
    table = np.array([(1, frames * pixels, pixels) for frames, pixels, _ in points], float)
    peaks = np.array([peak for *_, peak in points], float)
    fixed, per_frame, per_pass = np.linalg.lstsq(table, peaks, rcond=None)[0]
    per_pass = max(per_pass, 0.0)
    fixed += max(0.0, *(peaks - table @ (fixed, per_frame, per_pass)))
    return fixed, per_frame, per_pass


def run_film(name: str, backend: str, frames: int, height: int, width: int, options: dict[str, Any]) -> dict[str, Any]:
    """Enlarge a film of noise; return the peaks, how it was cut, and the backend in use."""
    from ppvsr.cli.common import memory
    from ppvsr.enhance.video import enhance_video
    from ppvsr.weights.files import save
    from ppvsr.weights.networks import create_model

    lines: list[str] = []

    class Ear:
        def __getattr__(self, event: str) -> Any:
            return lambda *what: lines.append(str(what[0])) if event == "say" else None

    given = {key: memory(value) if key == "memory" else int(value) for key, value in options.items()}
    variant = find_variant(name)
    with tempfile.TemporaryDirectory() as folder:
        weights = None
        if name != BUNDLED:
            weights = Path(folder) / "fresh.safetensors"
            net = create_model(str(variant.arch), **variant.options)
            save({key: value.numpy() for key, value in net.state_dict().items()}, weights)
        film = make_film(Path(folder) / "film.mp4", frames, height, width)
        result = Path(folder) / "large.mp4"
        enhance_video(film, result, name, weights, backend=backend, reporter=Ear(), **given)  # type: ignore[arg-type]
        reached = peak()
    plan = next(line for line in lines if line.startswith("plan: "))
    number, unit = re.search(r"about ([\d.]+) (MB|GB)", plan).groups()  # type: ignore[union-attr]
    used = next((line.split()[-2] for line in lines if "backend" in line and "runs on" in line), backend)
    how = plan.removeprefix("plan: ").partition(", about")[0]
    return {"peak": reached, "plan": float(number) * (MB if unit == "MB" else 2**30), "how": how, "backend": used}


def make_film(path: Path, frames: int, height: int, width: int) -> Path:
    """Write moving gradients with some noise."""
    import av

    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    with av.open(str(path), "w") as film:
        stream: Any = film.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for i in range(frames):
            image = np.stack([(x + i) % 256, (y + 2 * i) % 256, (x + y) % 256], axis=2) + rng.integers(
                0, 9, (height, width, 1)
            )
            film.mux(stream.encode(av.VideoFrame.from_ndarray(image.clip(0, 255).astype(np.uint8), format="rgb24")))
        film.mux(stream.encode())
    return path


if __name__ == "__main__":
    main()
