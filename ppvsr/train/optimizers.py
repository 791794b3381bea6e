"""Learning rates, optimizers by the options that YAML files give them, and what they remember."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import paddle
from paddle import optimizer as paddle_optimizers
from paddle.nn import Layer
from paddle.optimizer import Optimizer

from ppvsr.errors import ConfigError, WeightsError

# ---- Learning rates as functions of the number of finished steps, so that resuming needs no state.
# `schedule(0)` is the rate of the first step. Constructors raise ValueError, naming the option, for numbers that make
# no schedule.


@dataclass(frozen=True)
class CosineAnnealingRestartLR:
    """Half a cosine from the base rate down to `eta_min`, once in each period.

    periods: lengths in steps.  restart_weights: one for each period; its cosine starts at about weight * learning_rate.
    The step at which a period ends still belongs to it, so the rate there is `eta_min`; past the last it stays so.
    by_epoch: the periods count epochs of `iters_per_epoch` steps instead; the rate still changes with every step.
    """

    learning_rate: float
    periods: Sequence[int]
    restart_weights: Sequence[float] = (1,)
    eta_min: float = 0.0
    by_epoch: bool = False
    iters_per_epoch: int = 1

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_positive("periods", *self.periods)
        _check_positive("restart_weights", *self.restart_weights)
        _check_positive("iters_per_epoch", self.iters_per_epoch)
        if len(self.periods) != len(self.restart_weights):
            raise ValueError(
                f"restart_weights: expected one for each of the {len(self.periods)} periods, "
                f"got {len(self.restart_weights)}"
            )
        if not 0 <= self.eta_min <= self.learning_rate:
            raise ValueError(f"eta_min: expected 0 to learning_rate ({self.learning_rate}), got {self.eta_min!r}")

    def __call__(self, step: int) -> float:
        """Return the rate after `step` finished steps."""
        time = step / self.iters_per_epoch if self.by_epoch else step
        ends = list(accumulate(self.periods))
        cycle = bisect_left(ends, time)
        if cycle == len(ends):
            return self.eta_min
        done = (time - ends[cycle]) / self.periods[cycle] + 1
        height = self.restart_weights[cycle] * (self.learning_rate - self.eta_min)
        return self.eta_min + height * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class MultiStepDecay:
    """The base rate, times `gamma` from each of the milestones (steps) on."""

    learning_rate: float
    milestones: Sequence[int]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_positive("milestones", *self.milestones)
        if any(second <= first for first, second in pairwise(self.milestones)):
            raise ValueError(f"milestones: expected steps in rising order, got {list(self.milestones)}")
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma: expected a number above 0 and up to 1, got {self.gamma!r}")

    def __call__(self, step: int) -> float:
        """Return the rate after `step` finished steps."""
        return self.learning_rate * self.gamma ** bisect_right(self.milestones, step)


@dataclass(frozen=True)
class LinearDecay:
    """The base rate up to `start_epoch`, then in equal stairs, one an epoch, to 0 after `decay_epochs` + 1 of them.

    iters_per_epoch: steps of an epoch.
    """

    learning_rate: float
    start_epoch: int
    decay_epochs: int
    iters_per_epoch: int

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_positive("decay_epochs", self.decay_epochs)
        _check_positive("iters_per_epoch", self.iters_per_epoch)
        if self.start_epoch < 0:
            raise ValueError(f"start_epoch: expected 0 or more, got {self.start_epoch!r}")

    def __call__(self, step: int) -> float:
        """Return the rate after `step` finished steps."""
        late = max(0, step // self.iters_per_epoch + 1 - self.start_epoch)
        return self.learning_rate * max(0.0, 1 - late / (self.decay_epochs + 1))


def _check_positive(option: str, *values: float) -> None:
    if not values:
        raise ValueError(f"{option}: expected at least one number")
    for value in values:
        if not 0 < value < math.inf:
            raise ValueError(f"{option}: expected numbers above 0, got {value!r}")


# ---- What an optimizer remembers, by the names of our parameters.
# Paddle names it by counting the layers of a process, so its own files fit only a process that builds the same layers
# in the same order.

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


# ---- Optimizers by the options that YAML files give them; parameters and learning rates come later, from the stepper.

MakeOptimizer = Callable[[list[Any]], Optimizer]
NETS = ("generator",)


def adam(
    *,
    net_names: Sequence[str] = NETS,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float | None = None,
) -> MakeOptimizer:
    """Make Adam. weight_decay: of the L2 penalty that joins the gradient."""
    options = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": weight_decay}
    return _maker(paddle_optimizers.Adam, net_names, options)


def adamw(
    *,
    net_names: Sequence[str] = NETS,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> MakeOptimizer:
    """Make AdamW. weight_decay: what weights lose in each step, times the learning rate."""
    options = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": weight_decay}
    return _maker(paddle_optimizers.AdamW, net_names, options)


def sgd(*, net_names: Sequence[str] = NETS, weight_decay: float | None = None) -> MakeOptimizer:
    """Make plain gradient descent."""
    return _maker(paddle_optimizers.SGD, net_names, {"weight_decay": weight_decay})


def momentum(
    *,
    net_names: Sequence[str] = NETS,
    momentum: float = 0.9,
    use_nesterov: bool = False,
    weight_decay: float | None = None,
) -> MakeOptimizer:
    """Make gradient descent with momentum."""
    options = {"momentum": momentum, "use_nesterov": use_nesterov, "weight_decay": weight_decay}
    return _maker(paddle_optimizers.Momentum, net_names, options)


def rmsprop(
    *,
    net_names: Sequence[str] = NETS,
    rho: float = 0.95,
    epsilon: float = 1e-6,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: float | None = None,
) -> MakeOptimizer:
    """Make RMSProp. rho: how much of the mean square stays in each step."""
    options = {
        "rho": rho, "epsilon": epsilon, "momentum": momentum, "centered": centered, "weight_decay": weight_decay,
    }  # fmt: skip
    return _maker(paddle_optimizers.RMSProp, net_names, options)


def _maker(kind: type[Optimizer], net_names: Sequence[str], options: dict[str, Any]) -> MakeOptimizer:
    if list(net_names) != list(NETS):
        raise ConfigError(f"optimizer.net_names: a task has one network, ['generator']; got {list(net_names)}")
    if not 0 <= options.get("momentum", 0) < 1:
        raise ConfigError(f"optimizer.momentum: expected 0 or more, below 1, got {options['momentum']}")
    return partial(_make, kind, options)


def _make(kind: type[Optimizer], options: dict[str, Any], parameters: list[Any]) -> Optimizer:
    try:
        return kind(learning_rate=0.0, parameters=parameters, **options)  # every step sets the rate anew
    except ValueError as error:
        raise ConfigError(f"optimizer: {str(error).strip().splitlines()[-1]}") from error
