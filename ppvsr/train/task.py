"""What is trained: a network, its losses, and which of its parts rest at first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import paddle
from paddle import Tensor
from paddle.nn import Layer

from ppvsr.errors import ConfigError
from ppvsr.losses import state_growth
from ppvsr.train.freeze import FlowPolicy

Criterion = Callable[[Tensor, Tensor], Tensor]


class Learning(Protocol):
    """What a stepper trains: a network, what it is told, and which of its parts rest."""

    @property
    def net(self) -> Layer:
        """The network."""

    @property
    def policy(self) -> FlowPolicy:
        """Which parts rest, and which learn slowly."""

    @property
    def summed(self) -> bool:
        """Whether the loss of two batches is the sum of their losses, not the mean."""

    def losses(self, lq: Tensor, gt: Tensor, step: int, part: range | None = None) -> dict[str, Tensor]:
        """Return the losses of a step on a batch by name, float32; their sum is what is made small.

        part: frames that are learned from, while those around them only bring states; None for all.
        """

    def tie(self, step: int) -> None:
        """Change the gradients of a step, which were computed, where parts are to learn as one."""

    def preview(self, lq: Tensor, gt: Tensor) -> dict[str, np.ndarray]:
        """Return pictures of the first clip of a batch by name, uint8 (h, w, 3)."""


@dataclass(frozen=True)
class Task:
    """A network and what it learns.

    criterion: output, truth → scalar; its `reduction` says whether losses of several batches are averaged or summed.
    names: of the losses of the network's last outputs, in order; other outputs have none.
    growth_weight: factor of the penalty on the growth of the network's states, see `ppvsr.losses.state_growth`.
    """

    net: Layer
    criterion: Criterion
    names: tuple[str, ...]
    policy: FlowPolicy
    growth_weight: float = 0.0

    @property
    def summed(self) -> bool:
        """Whether the loss of two batches is the sum of their losses, not the mean."""
        return getattr(self.criterion, "reduction", "mean") == "sum"

    def losses(self, lq: Tensor, gt: Tensor, step: int, part: range | None = None) -> dict[str, Tensor]:
        """Return the losses by name, float32, for clips (b, t, 3, h, w) and (b, t, 3, s h, s w), uint8 or floats.

        part: see `Learning`; the network needs `learn` for it, as for a penalty on growth.
        """
        states: Mapping[str, Sequence[Tensor]] = {}
        if part is None and not self.growth_weight:
            outputs = self.net(unit(lq))
        else:
            part = part or range(lq.shape[1])
            gt = gt[:, part.start : part.stop]
            outputs, states = self.net.learn(unit(lq), part)
        outputs = outputs[-len(self.names) :]
        truth = unit(gt)
        with paddle.amp.auto_cast(enable=False):
            losses = [self.criterion(output.astype("float32"), truth) for output in outputs]
        named = dict(zip(self.names[-len(outputs) :], losses, strict=True))
        if self.growth_weight:
            growth = paddle.stack([state_growth(each) for each in states.values()]).mean()
            named["loss_growth"] = self.growth_weight * growth
        return named

    def tie(self, step: int) -> None:
        """Leave the gradients as they are."""

    def preview(self, lq: Tensor, gt: Tensor) -> dict[str, np.ndarray]:
        """Return `lq`, `output` and `gt` of the first frame of the first clip, uint8 (h, w, 3)."""
        clip, truth = unit(lq[:1]), unit(gt[:1, :1])
        return {
            name: picture(each[0, 0]) for name, each in (("lq", clip), ("output", self.net(clip)[-1]), ("gt", truth))
        }


def unit(clip: Tensor) -> Tensor:
    """Bring bytes to [0, 1], on the device; floats are left as they are."""
    return clip.astype("float32") / 255 if clip.dtype == paddle.uint8 else clip


def picture(frame: Tensor) -> np.ndarray:
    """Turn a frame (3, h, w) in [0, 1] into uint8 (h, w, 3)."""
    values = frame.astype("float32").clip(0, 1).transpose([1, 2, 0]).numpy()
    return np.round(np.nan_to_num(values) * 255).astype(np.uint8)


def multi_stage_vsr(
    *,
    generator: Layer,
    pixel_criterion: Criterion,
    fix_iter: int | bool = 0,
    lr_mult: float = 0.25,
    growth_weight: float = 0.0,
    to_static: bool = False,
) -> Task:
    """Make PaddleGAN's `MultiStageVSRModel`: a loss on the auxiliary output, if there is one, and on the final one.

    fix_iter: steps that the flow network rests; 0, false and negative numbers mean none.  lr_mult: factor of its
    learning rate then.  growth_weight: see Task. Raises ConfigError for `to_static`, which Paddle 3.3 cannot do with
    these networks.
    """
    if to_static:
        raise ConfigError(
            "model.to_static: only false; Paddle 3.3 can turn none of these networks into a static one for training"
        )
    policy = FlowPolicy(frozen_steps=_frozen_steps(fix_iter), lr_mult=_multiplier(lr_mult))
    weight = _growth_weight(growth_weight, generator)
    return Task(generator, pixel_criterion, ("loss_pix_stage2", "loss_pix"), policy, weight)


def basic_vsr(
    *,
    generator: Layer,
    pixel_criterion: Criterion,
    fix_iter: int | bool = 0,
    lr_mult: float = 1.0,
    growth_weight: float = 0.0,
) -> Task:
    """Make PaddleGAN's `BasicVSRModel`: a loss on the final output.

    fix_iter: steps that the flow network and IconVSR's EDVR rest; 0, false and negative numbers mean none.
    lr_mult: factor of the flow network's learning rate.  growth_weight: see Task.
    """
    policy = FlowPolicy(frozen_steps=_frozen_steps(fix_iter), lr_mult=_multiplier(lr_mult), also_frozen=("edvr",))
    return Task(generator, pixel_criterion, ("loss_pixel",), policy, _growth_weight(growth_weight, generator))


def _frozen_steps(fix_iter: int | bool) -> int:
    if fix_iter is True:
        raise ConfigError("model.fix_iter: true says not for how many steps; give a number, or false")
    return max(0, int(fix_iter))


def _multiplier(lr_mult: float) -> float:
    if not lr_mult >= 0:
        raise ConfigError(f"model.lr_mult: expected 0 or more, got {lr_mult}")
    return lr_mult


def _growth_weight(growth_weight: float, net: Layer) -> float:
    if not growth_weight >= 0:
        raise ConfigError(f"model.growth_weight: expected 0 or more, got {growth_weight}")
    if growth_weight and not hasattr(net, "learn"):
        raise ConfigError(f"model.growth_weight: {type(net).__name__} has no states that could grow; leave it out")
    return growth_weight
