"""The weights of a small PP-MSVSR as the start of a larger one."""

from __future__ import annotations

from pathlib import Path

from ppvsr.assemble.network import create_model, find_weights, load_network
from ppvsr.errors import UsageError
from ppvsr.framework import import_paddle
from ppvsr.weights.save import save
from ppvsr.weights.zoo import Variant, find_variant

ARCH = "MSVSR"  # the architecture that can grow


def grow_weights(
    source: str, target: str | Path, small: str, large: str, *, seed: int = 0, overwrite: bool = False
) -> None:
    """Write the weights of a network `large` that computes what `small` computes with the weights `source`.

    source: a file, or the name of a row such as `bi`.  small, large: variants of PP-MSVSR.  seed: of what is new.
    Raises UsageError when the one cannot become the other, WeightsError for a bad file; then nothing is written.
    """
    paddle = import_paddle()
    from ppvsr.ops.init import reset_weights

    variants = [_variant(name) for name in (small, large)]
    grown = load_network(variants[0], find_weights(variants[0], source))
    paddle.seed(seed)
    net = create_model(ARCH, **variants[1].options)
    reset_weights(net)
    try:
        net.grow_from(grown)
    except ValueError as error:
        raise UsageError(f"{small} cannot become {large}: {error}") from error
    save({name: tensor.numpy() for name, tensor in net.state_dict().items()}, target, overwrite=overwrite)


def _variant(name: str) -> Variant:
    variant = find_variant(name)
    if variant.arch != ARCH:
        raise UsageError(f"{name} is no PP-MSVSR; only that can grow")
    return variant
