"""Memory for time: activations of some layers are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import paddle
from paddle import Tensor
from paddle.distributed.fleet.utils import recompute as run_twice
from paddle.nn import Layer


def recompute(net: Layer, kinds: tuple[type[Layer], ...]) -> None:
    """Let all layers in `net` of these kinds compute their activations twice while they train.

    Results and gradients stay the same. A layer inside another one that does so already is left out.
    """
    for layer in net.children():
        if isinstance(layer, kinds):
            layer.forward = partial(_forward, layer, layer.forward)
        else:
            recompute(layer, kinds)


def _forward(layer: Layer, forward: Callable[..., Any], *inputs: Any) -> Any:
    needed = any(isinstance(value, Tensor) and not value.stop_gradient for value in inputs)
    if not (layer.training and needed and paddle.is_grad_enabled()):  # Paddle would warn of it in every call
        return forward(*inputs)
    # The other way of Paddle, use_reentrant, forgets the gradients of layers that are used on several inputs at once.
    return run_twice(forward, *inputs, use_reentrant=False, preserve_rng_state=False)
