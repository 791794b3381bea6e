"""How weights start."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import paddle.nn as nn

STRENGTH = 1.5  # of a detector
FAINT = 0.3  # how much of Kaiming's weights stays for two pictures, which are nearly the same twice
QUIET = 0.1  # how much of them stays in the last of several convolutions, and under a detector


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


def draw_pair_detectors(convs: Sequence[nn.Conv2D], slope: float) -> None:
    """Draw the weights of a chain of convolutions that finds how one picture must move to become another.

    convs: the first one takes channels 0-2 of a picture, 3-5 of another one, and more.  slope: of the activations
    between them, below zero.

    Kaiming's weights keep the signal alive from layer to layer, and a quiet last layer lets the answer start near zero.
    The first six features of the first layer are what small motions are computed from (Lucas and Kanade): the
    difference of both pictures, and their derivatives along x and y, each with both signs, since activations are
    one-sided.
    """
    for conv in convs:
        nn.initializer.KaimingNormal(negative_slope=slope, nonlinearity="leaky_relu")(conv.weight)
        nn.initializer.Constant(0.0)(conv.bias)
    convs[-1].weight.set_value(QUIET * convs[-1].weight)
    first = convs[0].weight.numpy()  # (out, in, k, k)
    center = first.shape[2] // 2
    derivative = np.array([-0.5, 0.0, 0.5], np.float32)
    near = slice(center - 1, center + 2)
    first[:, :6] *= FAINT
    first[:6] *= QUIET
    for feature, sign in enumerate((1, -1)):
        first[feature, :3, center, center] += sign * STRENGTH
        first[feature, 3:6, center, center] -= sign * STRENGTH
        first[2 + feature, :6, center, near] += sign * STRENGTH * derivative
        first[4 + feature, :6, near, center] += sign * STRENGTH * derivative
    convs[0].weight.set_value(first)
