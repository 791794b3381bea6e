"""What an optimizer remembers, by the names of our parameters.

Paddle names it by counting the layers of a process, so its own files fit only a process that builds the same layers in
the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
from paddle.nn import Layer
from paddle.optimizer import Optimizer

from ppvsr.errors import WeightsError

SHOWN = 4


def get_moments(optimizer: Optimizer, net: Layer) -> dict[str, np.ndarray]:
    """Return the accumulators of every parameter that was ever updated, as `<parameter>.<accumulator>`."""
    return {name: tensor.numpy() for name, tensor in _accumulators(optimizer, net).items()}


def set_moments(optimizer: Optimizer, net: Layer, arrays: Mapping[str, np.ndarray], where: str) -> None:
    """Fill an optimizer that has done nothing yet with what `get_moments` returned.

    where: for messages. Raises WeightsError when the arrays are those of another optimizer or network.
    """
    owners = {name.rpartition(".")[0] for name in arrays}
    parameters = [parameter for name, parameter in net.named_parameters() if name in owners]
    # the only way in by our own names: Paddle's state dict wants the names that it is going to make up
    optimizer._create_accumulators(paddle.static.default_main_program().global_block(), parameters)
    tensors = _accumulators(optimizer, net)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != {name: array.shape for name, array in arrays.items()}:
        kinds = {kind: ", ".join(sorted({name.rpartition(".")[2] for name in names})) for kind, names in
                 (("holds", arrays), ("needs", shapes))}  # fmt: skip
        wrong = sorted(
            name for name in {*shapes, *arrays} if shapes.get(name) != getattr(arrays.get(name), "shape", None)
        )
        raise WeightsError(
            f"{where}: was made with another optimizer: it holds {kinds['holds'] or 'nothing'}, "
            f"{type(optimizer).__name__} needs {kinds['needs'] or 'nothing'}, "
            f"which first differs at {', '.join(wrong[:SHOWN])}; "
            "resume with the optimizer it was made with, or take its weights alone with --load"
        )
    for name, tensor in tensors.items():
        tensor.set_value(arrays[name].astype(str(tensor.dtype).rpartition(".")[2]))


def master_weights(optimizer: Optimizer, net: Layer) -> dict[str, Any]:
    """Return the float32 tensors that stand behind half-precision parameters (AMP O2), by the parameters' names."""
    return {
        name: optimizer._master_weights[parameter.name]
        for name, parameter in net.named_parameters()
        if parameter.name in optimizer._master_weights
    }


def _accumulators(optimizer: Optimizer, net: Layer) -> dict[str, Any]:
    names = {parameter.name: name for name, parameter in net.named_parameters()}
    names |= {master.name: name for name, master in master_weights(optimizer, net).items()}
    return {
        f"{names[automatic]}.{kind}": tensor
        for kind, tensors in optimizer._accumulators.items()
        for automatic, tensor in tensors.items()
    }
