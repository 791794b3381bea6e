"""How many frames a second does each network make on the CPU, and how many times faster than Paddle as it is?

    python benchmarks/speed.py [PPMSVSR BasicVSR ...] [--sizes 320x180] [--frames 20] [--threads 2] [--rounds 3]
                               [--backends paddle compiled] [--json FILE]

Backends: `paddle` is the network run by Paddle without anything of ppvsr's (what PaddleGAN does), `dygraph`,
`compiled` and `auto` are those of the command line. Each runs in a process of its own; they take turns, clip by clip,
and the ratio is the median over the rounds: on a shared machine, only ratios of one run mean something. `by CPU` is
the same for the time that the processors worked: other programs disturb that less, waiting threads count. Weights are
random; what is measured is one forward pass of the whole clip. `difference` is the largest to `paddle`, relative to
its largest number where that exceeds 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ppvsr.weights.zoo import find_variant

REFERENCE = "paddle"
BACKENDS = (REFERENCE, "dygraph", "compiled", "auto")
COLUMNS = ("network", 16), ("size", 9), ("frames", 6), ("threads", 7), ("backend", 9), ("s/frame", 8), ("fps", 7)
RESULTS = ("ratio", 6), ("by CPU", 7), ("difference", 10), ("peak MB", 8)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", default=["PPMSVSR", "BasicVSR"], metavar="VARIANT")
    parser.add_argument("--sizes", nargs="+", default=["160x90"], metavar="WxH")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="+", default=[os.cpu_count() or 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backends", nargs="+", default=[REFERENCE, "compiled"], choices=BACKENDS)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(**json.loads(args.worker))
    names = [find_variant(name).name for name in args.variants]
    rows = []
    print(f"{processor()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    print(*(f"{title:>{width}}" for title, width in (*COLUMNS, *RESULTS)))
    for name in names:
        for size in args.sizes:
            for threads in args.threads:
                for row in compare(name, size, args.frames, threads, args.rounds, args.backends):
                    rows.append(row)
                    print(line(row), flush=True)
    if args.json:
        about = {"processor": processor(), "processors": os.cpu_count(), "load": os.getloadavg()[0]}
        args.json.write_text(json.dumps({**about, "rows": rows}, indent=1), encoding="utf-8")


def compare(name: str, size: str, frames: int, threads: int, rounds: int, backends: list[str]) -> list[dict[str, Any]]:
    """Let the backends take turns on one clip; return a row for each."""
    common = {"name": name, "size": size, "frames": frames, "threads": threads}
    rounds_of: dict[str, list[dict[str, float]]] = {backend: [] for backend in backends}
    with tempfile.TemporaryDirectory() as folder:
        workers = {backend: Worker({**common, "backend": backend, "folder": folder}) for backend in backends}
        facts = {backend: worker.hear() for backend, worker in workers.items()}
        for number in range(rounds):
            for backend, worker in workers.items():
                print(f"  {name} {size}, round {number + 1}, {backend}  ", end="\r", file=sys.stderr, flush=True)
                rounds_of[backend].append(worker.ask("run"))
        peaks = {backend: worker.ask("end")["peak"] for backend, worker in workers.items()}
        results = {backend: np.load(Path(folder) / f"{backend}.npy") for backend in backends}
    rows = []
    for backend in backends:
        each = statistics.median(took["seconds"] for took in rounds_of[backend]) / frames
        row = {**common, "backend": backend, **facts[backend], "seconds_per_frame": each, "fps": 1 / each}
        if REFERENCE in backends:
            pairs = list(zip(rounds_of[REFERENCE], rounds_of[backend], strict=True))
            for key, kind in (("ratio", "seconds"), ("cpu_ratio", "cpu_seconds")):
                row[key] = statistics.median(theirs[kind] / ours[kind] for theirs, ours in pairs)
            truth = results[REFERENCE]
            row["difference"] = float(np.abs(results[backend] - truth).max() / max(1.0, np.abs(truth).max()))
        rows.append({**row, "peak": peaks[backend], "rounds": rounds_of[backend]})
    return rows


class Worker:
    """A process with one network on one backend."""

    def __init__(self, order: dict[str, Any]) -> None:
        threads = str(order["threads"])
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "GLOG_minloglevel": "2", "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, __file__, "--worker", json.dumps(order)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)

    def hear(self) -> dict[str, Any]:
        """Return what it says next; what is no answer is progress."""
        assert self._process.stdout
        for text in self._process.stdout:
            if text.startswith("{"):
                return json.loads(text)
            print(f"  {text.rstrip()}", file=sys.stderr)
        raise SystemExit(f"a worker ended with {self._process.wait()}")

    def ask(self, word: str) -> dict[str, Any]:
        """Say a word and return the answer."""
        assert self._process.stdin
        print(word, file=self._process.stdin, flush=True)
        return self.hear()


def work(name: str, size: str, frames: int, threads: int, backend: Any, folder: str) -> None:
    """Be a worker: say that the network is ready, then answer every "run" until the "end"."""
    began = time.perf_counter()
    import paddle

    from ppvsr.compile.backend import use_backend

    width, height = map(int, size.split("x"))
    net, options = make_network(name)
    clip = paddle.rand([1, frames, 3, height, width])
    used = backend
    if backend != REFERENCE:
        used = use_backend(net, options, backend, threads=threads, say=print)
        with paddle.no_grad():
            net(clip[:, :3])  # programs are loaded and tuned when they first run
    print(json.dumps({"used": used, "start": time.perf_counter() - began}), flush=True)
    for text in sys.stdin:
        if text.strip() == "end":
            break
        began, busy = time.perf_counter(), time.process_time()
        with paddle.no_grad():
            result = net(clip)[-1]
        times = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - busy}
        print(json.dumps(times), flush=True)
    np.save(Path(folder) / f"{backend}.npy", result.numpy())
    print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)


def make_network(name: str) -> tuple[Any, Any]:
    """Return a variant's network with random weights, the same ones every time, and its options."""
    import paddle

    from ppvsr.weights.networks import create_model

    variant = find_variant(name)
    paddle.seed(0)
    net: Any = create_model(str(variant.arch), **variant.options)
    net.eval()
    for parameter in net.parameters():
        if not parameter.abs().max():  # offsets start at zero, and would test nothing
            parameter.set_value(0.01 * paddle.randn(parameter.shape))
    return net, variant.options


def line(row: dict[str, Any]) -> str:
    """Format one row of the table."""
    size, used = row["size"], row["backend"] if row["used"] == row["backend"] else f"{row['backend']}:{row['used']}"
    text = f"{row['name']:>16} {size:>9} {row['frames']:6} {row['threads']:7} {used:>9} "
    text += (
        f"{row['seconds_per_frame']:8.3f} {row['fps']:7.2f} {row.get('ratio', 0):6.1f} {row.get('cpu_ratio', 0):7.1f} "
    )
    return text + f"{row.get('difference', 0):10.1e} {row['peak'] / 2**20:8.0f}"


def processor() -> str:
    """Name the processor as far as the system tells."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", info.read_text()) if info.is_file() else []
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
