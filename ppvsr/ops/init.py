"""How weights start."""

from __future__ import annotations

import math

import paddle.nn as nn


def reset_weights(net: nn.Layer) -> None:
    """Draw the weights of every layer from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), as PaddleGAN does before training.

    Layers that say `keeps_initial_weights` (residual blocks, upsampling, parts that are loaded pretrained, and the
    convolutions that predict offsets) stay as they were built, with all that is in them. PaddleGAN loses the zeros that
    offsets should start from; here they stay: before training, an alignment follows the flow.
    """
    if getattr(net, "keeps_initial_weights", False):
        return
    weight, bias = getattr(net, "weight", None), getattr(net, "bias", None)
    if weight is not None:
        bound = 1 / math.sqrt(math.prod(weight.shape[1:]))
        for parameter in (weight, bias):
            if parameter is not None:
                nn.initializer.Uniform(-bound, bound)(parameter)
    for child in net.children():
        reset_weights(child)
