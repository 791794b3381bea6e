"""One network on one backend, in a process of its own, measured through the engine that films go through."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppvsr.enhance.chunks import Enhance
from ppvsr.enhance.network import Cut, Engine, Stage, choose_stages, make_enhancer, plan_stage
from ppvsr.errors import PpvsrError
from ppvsr.system.paddle import use_device
from ppvsr.video.frames import Frame
from ppvsr.weights.zoo import find_variant

RANDOM = "random"


def main(order: str) -> None:
    """Carry out an order (the fields of `ppvsr.bench.Case`): answer every "run" on stdin by its seconds."""
    try:
        _work(**json.loads(order))
    except PpvsrError as error:
        _tell(error=" ".join(str(error).split()))


def weights_of(variant: str) -> str:
    """Return the name of the weights that are measured: the bundled ones, or random."""
    row = find_variant(variant).weights
    if not row:
        return "none"
    return row[0].name if row[0].file else RANDOM


def clip(count: int, height: int, width: int) -> Iterator[Frame]:
    """Yield frames of a picture that moves, 8 bits a sample."""
    picture = _picture(height, width)
    for i in range(count):
        yield Frame(np.ascontiguousarray(np.roll(picture, (i, 2 * i), axis=(0, 1))), Fraction(i, 25))


def _work(variant: str, width: int, height: int, frames: int, backend: str, threads: int) -> None:
    began = time.perf_counter()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        _tell(say=line)

    use_device("cpu")
    enhance, plan = make(variant, height, width, Engine(backend, threads), say)  # type: ignore[arg-type]
    used = next((line.split()[-2] for line in said if line.endswith(" backend")), "none")
    for _ in enhance(clip(3, height, width)):  # programs are loaded and tuned when they first run
        pass
    _tell(used=used, weights=weights_of(variant), plan=plan, ready=time.perf_counter() - began)
    for word in sys.stdin:
        if word.strip() != "run":
            break
        _tell(**_run(enhance, frames, height, width))
    _tell(peak=_peak())


def make(variant: str, height: int, width: int, engine: Engine, say: Callable[[str], Any]) -> tuple[Enhance, str]:
    """Return a variant with the weights of `weights_of` as the engine runs it, and its plan."""
    (stage,) = choose_stages(variant, None)
    with tempfile.TemporaryDirectory(prefix="ppvsr-bench-") as folder:
        if weights_of(variant) == RANDOM:
            stage = Stage(stage.variant, _random(variant, Path(folder)))
        plan, net = plan_stage(stage, height, width, Cut(), encoded=False)
        return make_enhancer(stage, plan, net, engine, say), str(plan)


def _random(variant: str, folder: Path) -> Path:
    """Write random weights for a variant, the same ones every time, and return the file."""
    import paddle

    from ppvsr.weights.files import save
    from ppvsr.weights.networks import create_model

    paddle.seed(0)
    row = find_variant(variant)
    net = create_model(str(row.arch), **row.options)
    path = folder / "random.safetensors"
    save({name: value.numpy() for name, value in net.state_dict().items()}, path)
    return path


def _run(enhance: Enhance, frames: int, height: int, width: int) -> dict[str, float]:
    pictures = list(clip(frames, height, width))
    began, busy = time.perf_counter(), time.process_time()
    count = sum(1 for _ in enhance(pictures))
    assert count == frames
    return {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - busy}


def _picture(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7) + np.cos(y / 5), np.sin((x + y) / 11), np.cos(x / 3) * np.sin(y / 13)]
    noise = np.random.default_rng(0).normal(0, 8, (height, width, 3))
    return np.clip(60 * np.stack(waves, axis=2) + 127 + noise, 0, 255).astype(np.uint8)


def _peak() -> int | None:
    """Return the most memory that this process ever held, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _tell(**message: Any) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
