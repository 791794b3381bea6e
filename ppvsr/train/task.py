"""What is trained: a network, its losses, which parts rest at first, and which are computed twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.distributed.fleet.utils import recompute as run_twice
from paddle.nn import Layer

from ppvsr.errors import ConfigError
from ppvsr.train.losses import state_growth

# ---- Which parameters rest while others learn.


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


# ---- Memory for time: activations of some parts are computed again in the backward pass instead of being kept.


def recompute(net: Layer, parts: Sequence[type[Layer] | str]) -> None:
    """Let parts of `net` compute their activations twice while they train; results and gradients stay the same.

    parts: kinds of layers, wherever they are, or names of methods of `net` itself, from tensors to tensors, such as the
    steps of a recurrent network; names that it lacks are left out, and so is what is inside a layer that is a part.
    Of PP-MSVSR on 6 frames of 64x64 a step takes 1178 MB, 1049 with its residual trunks, 830 with its alignments and
    upsampling too, 538 with its steps (of the activations 172 instead of 1085).
    """
    kinds = tuple(part for part in parts if not isinstance(part, str))
    for name in parts:
        if isinstance(name, str) and hasattr(net, name):
            setattr(net, name, partial(_run, net, getattr(net, name)))
    _recompute_layers(net, kinds)


def _recompute_layers(net: Layer, kinds: tuple[type[Layer], ...]) -> None:
    for layer in net.children():
        if isinstance(layer, kinds):
            layer.forward = partial(_run, layer, layer.forward)
        else:
            _recompute_layers(layer, kinds)


def _run(layer: Layer, forward: Callable[..., Any], *inputs: Any) -> Any:
    needed = any(isinstance(value, Tensor) and not value.stop_gradient for value in inputs)
    if not (layer.training and needed and paddle.is_grad_enabled()):  # Paddle would warn of it in every call
        return forward(*inputs)
    # The other way of Paddle, use_reentrant, loses gradients of layers whose inputs need none.
    return run_twice(forward, *inputs, use_reentrant=False, preserve_rng_state=False)


# ---- What is trained: a network, its losses, and which of its parts rest at first.

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
    growth_weight: factor of the penalty on the growth of the network's states, see `ppvsr.train.losses.state_growth`.
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


# ---- A flow network that learns known motions: first one level of it alone, then the pyramid.

SMALL = 1.5  # pixels; motions up to here are what one level can see, and all that it is taught
COARSER = 0.55  # weight of a level's error, against that of the next finer one
SMOOTH = 1e-4  # squared pixels below which the error counts less than its length
SHOWN = 16  # pixels of motion from black to white


@dataclass(frozen=True)
class FlowTask:
    """A flow network and how it learns, from samples of `ppvsr.data.photos.KnownFlowDataset`.

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
