"""A flow network that learns known motions: first one level of it alone, then the pyramid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.nn import Layer

from ppvsr.errors import ConfigError
from ppvsr.train.freeze import FlowPolicy
from ppvsr.train.task import picture, unit

SMALL = 1.5  # pixels; motions up to here are what one level can see, and all that it is taught
COARSER = 0.55  # weight of a level's error, against that of the next finer one
SMOOTH = 1e-4  # squared pixels below which the error counts less than its length
SHOWN = 16  # pixels of motion from black to white


@dataclass(frozen=True)
class FlowTask:
    """A flow network and how it learns, from samples of `ppvsr.data.flows.KnownFlowDataset`.

    level_iters: for so many steps the first level learns small motions at full size; all levels take the same steps, so
    that they stay equal. From then on each learns its part of all motions.
    """

    net: Any  # a Layer like SPyNet: pyramid, flows, levels
    level_iters: int
    policy: ClassVar[FlowPolicy] = FlowPolicy(prefixes=())
    summed: ClassVar[bool] = False

    def losses(self, lq: Tensor, gt: Tensor, step: int, part: range | None = None) -> dict[str, Tensor]:
        """Return the weighted error of each level, for pairs (b, t, 6, h, w), and (b, t, 3, h, w): flow, what counts.

        part: always None; pairs have no frames around them.

        Raises ConfigError for samples of other data sets, and for sizes that do not fit the pyramid.
        """
        ref, other = self._pairs(lq)
        truth = gt.flatten(0, 1).astype("float32")
        flow, counts = truth[:, :2], truth[:, 2:]
        pyramids = self.net.pyramid(ref), self.net.pyramid(other)
        if step <= self.level_iters:
            pyramids = pyramids[0][-1:], pyramids[1][-1:]
            counts = counts * (_length(flow) < SMALL).astype("float32")
        found = self.net.flows(*pyramids)
        if found[-1].shape != flow.shape:
            h, w = flow.shape[2:]
            raise ConfigError(f"dataset.train: FlowModel needs sides that are multiples of 32, not {w}x{h}")
        with paddle.amp.auto_cast(enable=False):
            return dict(_errors(found, flow, counts))

    def tie(self, step: int) -> None:
        """Give all levels the gradient of the first one, while it learns alone; called when gradients are there."""
        if step > self.level_iters:
            return
        first, *others = self.net.levels
        for level in others:
            for own, shared in zip(level.parameters(), first.parameters(), strict=True):
                own.grad = None if shared.grad is None else shared.grad.clone()

    def preview(self, lq: Tensor, gt: Tensor) -> dict[str, np.ndarray]:
        """Return the first pair, its flow and the true one, uint8 (h, w, 3): red is x, green is y, gray is rest."""
        ref, other = self._pairs(lq[:1, :1])
        truth = gt[0, 0].astype("float32")
        found = self.net(ref, other)[0].astype("float32")
        shown = {"flow": found, "truth": truth[:2] * truth[2:]}
        gray = paddle.zeros_like(truth[:1])
        flows = {name: picture(paddle.concat([each, gray]) / SHOWN + 0.5) for name, each in shown.items()}
        return {"ref": picture(ref[0]), "other": picture(other[0]), **flows}

    def _pairs(self, lq: Tensor) -> tuple[Tensor, Tensor]:
        if len(lq.shape) != 5 or lq.shape[2] != 6:
            raise ConfigError(
                f"dataset.train: FlowModel learns from pairs with known flow, not from clips {tuple(lq.shape)}; "
                "use KnownFlowDataset"
            )
        pairs = unit(lq).flatten(0, 1)
        return pairs[:, :3], pairs[:, 3:]


def flow_model(*, generator: Layer, level_iters: int = 0) -> FlowTask:
    """Make the task of a flow network from scratch.

    generator: SPyNet; its weights are drawn anew, so that it can learn.  level_iters: see FlowTask; about a third of
    all steps, and 0 for weights that were trained before.  Raises ConfigError for other networks.
    """
    if not hasattr(generator, "prepare_to_learn"):
        raise ConfigError(f"model.generator: FlowModel trains SPyNet, not {type(generator).__name__}")
    if level_iters < 0:
        raise ConfigError(f"model.level_iters: expected 0 or more, got {level_iters}")
    generator.prepare_to_learn()
    return FlowTask(generator, level_iters)


def _errors(found: list[Tensor], flow: Tensor, counts: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the error of each level, coarsest first, against the truth at its size and in its pixels."""
    for coarser, level in reversed(list(enumerate(reversed(found)))):
        times = 2**coarser
        wanted, where = F.avg_pool2d(flow, times) / times, F.avg_pool2d(counts, times)
        error = (_length(level - wanted, SMOOTH) * where).mean()
        yield f"loss_level{coarser}", COARSER**coarser * error


def _length(flow: Tensor, smooth: float = 0.0) -> Tensor:
    return paddle.sqrt((flow**2).sum(axis=1, keepdim=True) + smooth)
