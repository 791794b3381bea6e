"""Weights averaged over the steps, which score better than the last ones (EMA)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import Tensor
from paddle.nn import Layer


class Average:
    """Exponential moving average of the parameters of `net`: in each step, 1 - decay of the new ones comes in.

    It is kept in float32, whatever the precision of the network.
    """

    def __init__(self, net: Layer, decay: float) -> None:
        self._parameters = dict(net.named_parameters())
        self._decay = decay
        self._values = {name: _copy(parameter).astype("float32") for name, parameter in self._parameters.items()}

    @paddle.no_grad()
    def update(self, exact: Mapping[str, Tensor]) -> None:
        """Take the parameters of a finished step in; those in `exact`, by name, from there in float32."""
        for name, value in self._values.items():
            new = exact.get(name, self._parameters[name]).astype("float32")
            value.lerp_(new, 1 - self._decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Let the network hold the averaged weights in this block, and its own again afterwards."""
        own = {name: _copy(parameter) for name, parameter in self._parameters.items()}
        try:
            _assign(self._values, self._parameters)
            yield
        finally:
            _assign(own, self._parameters)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the averaged parameters by name."""
        return {name: value.numpy() for name, value in self._values.items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from averaged parameters by name; other names are ignored."""
        _assign({name: paddle.to_tensor(arrays[name]) for name in self._values}, self._values)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


@paddle.no_grad()
def _assign(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, tensor in target.items():
        paddle.assign(source[name].astype(tensor.dtype), tensor)
