"""Names into networks, with their weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppvsr.config.build import build
from ppvsr.config.legacy import rename
from ppvsr.errors import UsageError
from ppvsr.framework import import_paddle
from ppvsr.weights.fetch import fetch
from ppvsr.weights.load import load_weights
from ppvsr.weights.zoo import Variant, Weights

if TYPE_CHECKING:
    from paddle.nn import Layer


def create_model(name: str, **options: Any) -> Layer:
    """Build a network with fresh weights. Names and options are those of the YAML files.

    Raises ConfigError for a name or an option that does not exist, PpvsrError without Paddle.
    """
    import_paddle()
    from ppvsr.catalog import ARCHS

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
