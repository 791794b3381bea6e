"""Optimizers by the options that YAML files give them; parameters and learning rates come later, from the stepper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from paddle import optimizer as paddle_optimizers
from paddle.optimizer import Optimizer

from ppvsr.errors import ConfigError

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
