"""Export the steps of a network and prove the programs: what runs in a process of its own, which may crash.

    python -m ppvsr.compile.worker FOLDER

FOLDER holds ORDER and WEIGHTS; the programs and VERDICT are added.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# ---- Clips to prove programs with.

COARSENESS = (2, 4, 8, 16)  # pixels that its patches are wide
SOFT = np.array([1, 2, 1]) / 4
PACE = (1, 2)  # pixels down and to the right, from frame to frame


def moving_clip(rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float32]:
    """Return clips (b, t, c, h, w) in 0..1 like films: soft patches of all sizes, which move.

    Of noise, a network that was trained on films makes wild motions, in which the last digits of a sum grow a
    thousandfold from frame to frame: that is no measure of whether a program computes what the network does.
    """
    b, t, c, h, w = shape
    down, right = PACE
    tall, wide = h + (t - 1) * down, w + (t - 1) * right
    picture = np.zeros((b, c, tall, wide))
    for side in COARSENESS:
        patches = rng.random((b, c, math.ceil(tall / side), math.ceil(wide / side)))
        picture += patches.repeat(side, 2).repeat(side, 3)[..., :tall, :wide]
    for axis in (2, 3):
        picture = np.apply_along_axis(_soften, axis, picture)
    picture = (picture - picture.min()) / (picture.max() - picture.min())
    frames = [picture[..., i * down : i * down + h, i * right : i * right + w] for i in range(t)]
    return np.stack(frames, axis=1).astype(np.float32)


def _soften(line: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.convolve(np.pad(line, len(SOFT) // 2, mode="edge"), SOFT, mode="valid")


# ---- Export the steps of a network and prove the programs: what runs in a process of its own, which may crash.

ORDER, WEIGHTS, VERDICT = "order.json", "weights.npz", "verdict.json"
TOLERANCE = 2e-4  # of pictures in [0, 1]
EXTENTS = ((3, 0, 0), (4, 1, 9))  # of the clips that prove: frames; multiples by which the least sides are exceeded


def main(folder: Path) -> None:
    """Carry out the order in `folder`."""
    order = json.loads((folder / ORDER).read_text(encoding="utf-8"))
    verdict = work(folder, order)
    (folder / VERDICT).write_text(json.dumps(verdict, indent=1), encoding="utf-8")


def work(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Export, load, and compare with dygraph; return the verdict.

    Every step is compared on noise, at which all of it works; the network as a whole on clips that move as films do.
    """
    import paddle

    from ppvsr.compile.steps import export, load, record, replace_steps
    from ppvsr.ops.deform import use_native

    paddle.set_device("cpu")
    net = make(order["network"], order["options"])
    with np.load(folder / WEIGHTS) as weights:
        fill(net, dict(weights))
    net.eval()
    rng = np.random.default_rng(0)
    noise = [paddle.to_tensor(rng.random(shape, np.float32)) for shape in _shapes(net)]
    clips = [paddle.to_tensor(moving_clip(rng, shape)) for shape in _shapes(net)]
    _, examples = record(net, noise)
    with paddle.no_grad():
        expected = [net(clip)[-1] for clip in clips]
    if order["native"] and (reason := use_native(net)):
        return {"reason": reason}
    programs: list[dict[str, Any]] = []
    for number, (key, example) in enumerate(examples.items()):
        export(net, example, folder / str(number), native=order["native"])
        file = {"file": str(number), "digest": digest(folder / str(number))}
        programs.append({"key": key, **file, "several": example.several})
    table = {
        tuple(each["key"]): (load(folder / each["file"], threads=order["threads"]), each["several"])
        for each in programs
    }
    worst = {key: difference(table[key][0](list(example.inputs)), example.answer) for key, example in examples.items()}
    replace_steps(net, table)
    with paddle.no_grad():
        whole = difference([net(clip)[-1] for clip in clips], expected)
    largest = float(np.max([whole, *worst.values()]))
    if not largest <= TOLERANCE:  # nan is no proof either
        key = max(worst, key=lambda key: worst[key])
        where = f"{whole:.1e}, those of {' '.join(key)} by {worst[key]:.1e}"
        return {"reason": f"results differ from Paddle's own by {where}", "difference": largest}
    return {"difference": largest, "programs": programs}


def difference(answers: Sequence[Any], expected: Sequence[Any]) -> float:
    """Return the largest difference, relative to the largest number if that is more than 1 (weights nobody trained)."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(answers, expected, strict=True)]
    return float(np.max([np.max(np.abs(a - b)) / max(1.0, np.max(np.abs(b))) for a, b in pairs]))


def digest(program: Path) -> str:
    """Return what tells the files of a program from all others, "" where there is none.

    A step without parameters (a warp) has one file, all others have two.
    """
    files = [Path(f"{program}{ending}") for ending in (".json", ".pdiparams")]
    if not files[0].is_file():
        return ""
    hashes = [hashlib.sha256(file.read_bytes()).digest() for file in files if file.is_file()]
    return hashlib.sha256(b"".join(hashes)).hexdigest()


def make(network: str, options: dict[str, Any]) -> Any:
    """Build the network that "module:class" names."""
    module, _, name = network.partition(":")
    return getattr(importlib.import_module(module), name)(**options)


def fill(net: Any, weights: dict[str, NDArray[Any]]) -> None:
    """Give a network its weights. Raises ValueError unless they fit exactly: the options may not be those of it."""
    mine = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    given = {name: value.shape for name, value in weights.items()}
    if odd := sorted(name for name in mine.keys() | given.keys() if mine.get(name) != given.get(name)):
        raise ValueError(f"weights and options are of different networks: {', '.join(odd[:3])}")
    net.set_state_dict(weights)


def _shapes(net: Any) -> list[tuple[int, ...]]:
    """Return the sizes of clips that let a network make every call of a step."""
    multiple = net.size_multiple
    least = -(-net.min_size // multiple)
    return [(1, t, 3, (least + down) * multiple, (least + across) * multiple) for t, down, across in EXTENTS]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
