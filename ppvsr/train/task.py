"""Which parameters rest while others learn."""

from __future__ import annotations

from dataclasses import dataclass

from paddle.nn import Layer


@dataclass(frozen=True)
class FlowPolicy:
    """Parts of a network that were trained before rest at first and learn slowly later.

    prefixes: names of the parts.  frozen_steps: for how many steps they rest.  lr_mult: factor of their learning rate.
    also_frozen: further parts that rest, but then learn at the full rate. A network may lack any of them.
    """

    prefixes: tuple[str, ...] = ("spynet",)
    frozen_steps: int = 0
    lr_mult: float = 1.0
    also_frozen: tuple[str, ...] = ()

    def apply(self, net: Layer, step: int) -> None:
        """Make `net` ready for a step, counted from 1. It depends on nothing but the step, so resuming is exact.

        A resting parameter gets no gradient, hence no update, no decay and no moments.
        """
        for name, parameter in net.named_parameters():
            part = name.partition(".")[0]
            if part in self.prefixes:
                parameter.optimize_attr["learning_rate"] = self.lr_mult  # all optimizers of Paddle multiply by it
            if part in self.prefixes or part in self.also_frozen:
                parameter.stop_gradient = step <= self.frozen_steps
