"""What benchmarks/targets.py lets processes of their own do, because peaks and starts cannot be taken back.

python -m benchmarks.target_jobs JOB ARGUMENTS...       prints one line of JSON
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

VARIANT = "PPMSVSR"  # with the weights that ship


def deform(size: str, groups: str, rounds: str) -> dict[str, float]:
    """Compare the deformable convolutions, see benchmarks/deform.py; the threads are those of OMP_NUM_THREADS."""
    from benchmarks.deform import jobs, seconds
    from ppvsr.ops import native
    from ppvsr.system.paddle import use_device

    use_device("cpu")
    if reason := native.load():
        raise SystemExit(reason)
    result = {}
    for what in ("forward", "backward"):
        theirs, ours, difference = jobs(what, size, int(groups), 3.0)
        ours()
        pairs = [(seconds(theirs), statistics.median(seconds(ours) for _ in range(5))) for _ in range(int(rounds))]
        result[what] = statistics.median(a / b for a, b in pairs)
        result[f"{what} difference"] = float(difference())
    return result


def peak(frames: str, width: str, height: str) -> dict[str, float]:
    """Enhance a film of so many frames and return the most memory that the process ever held, in bytes."""
    from ppvsr.enhance.video import enhance_video

    with tempfile.TemporaryDirectory(prefix="ppvsr-targets-") as folder:
        film = make_film(Path(folder) / "in.mp4", int(frames), int(width), int(height))
        result = enhance_video(film, Path(folder) / "out.mp4", VARIANT, backend="compiled", device="cpu")
        assert result.frames == int(frames), result
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def start(began: str) -> dict[str, float]:
    """Enhance a film and return how long after `began` (time.time) its first frame was in the network's first step."""
    from ppvsr.enhance.video import enhance_video
    from ppvsr.system.paddle import use_device

    entered: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="ppvsr-targets-") as folder:
        film = make_film(Path(folder) / "in.mp4", 8, 160, 90)
        made = time.time() - float(began)  # the film is there already when a user starts
        use_device("cpu")
        _watch_first_step(lambda: entered.append((time.time() - float(began), time.process_time())))
        enhance_video(film, Path(folder) / "out.mp4", VARIANT, backend="compiled", device="cpu")
    return {"seconds": entered[0][0], "cpu_seconds": entered[0][1], "film": made}


def make_film(path: Path, frames: int, width: int, height: int) -> Path:
    """Write a film of a picture that moves."""
    import av

    noise = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    picture = noise.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=Fraction(25), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(frames):
            moved = np.ascontiguousarray(np.roll(picture, i, axis=1))
            film.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        film.mux(stream.encode())
    return path


def _watch_first_step(notice: Any) -> None:
    """Have `notice` called whenever the first step of a network begins."""
    from ppvsr.compile import backend
    from ppvsr.compile.steps import places

    own = backend.use_backend

    def watched(net: Any, *arguments: Any, **words: Any) -> Any:
        used = own(net, *arguments, **words)
        layer, method = next(iter(places(net)))
        step = getattr(layer, method)
        vars(layer)[method] = lambda *tensors: (notice(), step(*tensors))[1]
        return used

    backend.use_backend = watched


if __name__ == "__main__":
    jobs: dict[str, Callable[..., dict[str, float]]] = {"deform": deform, "peak": peak, "start": start}
    print(json.dumps(jobs[sys.argv[1]](*sys.argv[2:])), flush=True)
