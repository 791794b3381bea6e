"""Names into networks, and weights into networks: all of them, or nothing and a list of the differences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ppvsr.config.build import build
from ppvsr.config.paddlegan import rename
from ppvsr.errors import UsageError, WeightsError
from ppvsr.system.paddle import import_paddle
from ppvsr.weights.download import fetch
from ppvsr.weights.files import read
from ppvsr.weights.names import to_ours
from ppvsr.weights.zoo import VARIANTS, Variant, Weights

if TYPE_CHECKING:
    from paddle.nn import Layer


# ---- Weights into a network: all of them, or nothing and a list of the differences.

SHOWN = 8  # differences of one kind
BUFFERS = {"mean", "std"}  # of flow networks: constants, which not every file holds


def load_weights(net: Layer, source: str | Path | Mapping[str, np.ndarray], *, where: str = "weights") -> None:
    """Fill `net` with the weights of a file, or with arrays by name; the naming may be any that `legacy` knows.

    where: what messages call arrays by name. Every parameter must be there, with its shape, and nothing else; values
    become float32. Raises WeightsError, and then has not touched the network.
    """
    arrays, where = (source, where) if isinstance(source, Mapping) else (read(source), str(source))
    arrays = to_ours(arrays)
    state = net.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in state.items()}
    problems = _differences(wanted, arrays)
    if problems:
        count = sum(len(names) for names in problems.values())
        lines = "".join(f"\n  {kind}: {_some(names)}" for kind, names in problems.items())
        raise WeightsError(
            f"{where}: {count} of {len(wanted)} parameters differ from {type(net).__name__}:{lines}{_hint(arrays)}"
        )
    net.set_state_dict({**state, **{name: _float32(array) for name, array in arrays.items()}})


def _float32(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which _differences reports
        return array.astype(np.float32)


def _differences(wanted: Mapping[str, tuple[int, ...]], arrays: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Return what is wrong with `arrays`: kind → descriptions, without the kinds that did not occur."""
    common = [name for name in wanted if name in arrays]
    problems = {
        "missing": [n for n in wanted if n not in arrays and n.rpartition(".")[2] not in BUFFERS],
        "unexpected": [n for n in arrays if n not in wanted],
        "shape": [
            f"{n} {list(arrays[n].shape)} instead of {list(wanted[n])}" for n in common if arrays[n].shape != wanted[n]
        ],
        "not floats": [f"{n} ({arrays[n].dtype})" for n in common if arrays[n].dtype.kind != "f"],
        "not finite": [n for n in common if arrays[n].dtype.kind == "f" and not np.isfinite(_float32(arrays[n])).all()],
    }
    return {kind: names for kind, names in problems.items() if names}


def _some(names: list[str]) -> str:
    rest = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def _hint(arrays: Mapping[str, np.ndarray]) -> str:
    """Name the variant that has exactly as many parameters as the file, if there is one."""
    size = sum(array.size for name, array in arrays.items() if name.rpartition(".")[2] not in BUFFERS)
    names = [variant.name for variant in VARIANTS.values() if variant.parameters == size]
    return f"\n  its {size:,} numbers are as many as {names[0]} has: was that the network you meant?" if names else ""


# ---- Names into networks, with their weights.


def create_model(name: str, **options: Any) -> Layer:
    """Build a network with fresh weights. Names and options are those of the YAML files.

    Raises ConfigError for a name or an option that does not exist, PpvsrError without Paddle.
    """
    import_paddle()
    from ppvsr.archs.registry import ARCHS

    return build(rename({"name": name, **options}), ARCHS, "model")


def find_weights(variant: Variant, weights: str | Path | None) -> Weights | Path:
    """Return the row of the table, or the file, that `weights` means; None is the variant's default.

    Raises UsageError when it is neither. Nothing is downloaded yet.
    """
    if weights is None or variant.arch is None:
        return variant.pick()  # raises when there are none
    if weights in {row.name for row in variant.weights}:
        return variant.pick(str(weights))
    path = Path(weights)
    if path.is_file():
        return path
    if path.suffix or len(path.parts) > 1:
        raise UsageError(f"{path}: there is no such weight file")
    return variant.pick(str(weights))  # raises, with the names that there are


def load_network(variant: Variant, weights: Weights | Path) -> Layer:
    """Build a variant's network with its weights, for evaluation. Raises WeightsError; may download."""
    net = create_model(str(variant.arch), **variant.options)
    fill(net, weights)
    return net


def fill(net: Layer, weights: Weights | Path) -> None:
    """Give a network its weights and set it to evaluation. Raises WeightsError; may download."""
    load_weights(net, weights if isinstance(weights, Path) else fetch(weights))
    net.eval()
