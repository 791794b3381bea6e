"""One optimisation step, and the state that steps leave behind: averaged weights, the scale of the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import paddle
from paddle import Tensor
from paddle.nn import Layer

from ppvsr import __version__
from ppvsr.errors import ConfigError, WeightsError
from ppvsr.system.ranks import Ranks
from ppvsr.train.checkpoint import Arrays, State
from ppvsr.train.optimizers import MakeOptimizer, get_moments, master_weights, set_moments
from ppvsr.train.task import Learning
from ppvsr.weights.networks import load_weights

if TYPE_CHECKING:
    from ppvsr.data.loader import Batch


# ---- Weights averaged over the steps, which score better than the last ones (EMA).


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


# ---- Losses made larger, so that gradients in half precision do not vanish (AMP).
# Paddle's GradScaler does nothing on a CPU and looks at the gradients a second time; the stepper knows already whether
# they are finite, so all that is left are these numbers, which fit into a checkpoint.

START = 1024.0  # as in PaddleGAN
PATIENCE = 2000  # finite steps until a larger scale is tried


class LossScale:
    """The factor of the loss: halved when a gradient overflows, doubled after 2000 steps without. Disabled, it is 1."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.value = START if enabled else 1.0
        self._good = 0

    def update(self, finite: bool) -> None:
        """Learn whether the gradients of a step were finite."""
        if not self.enabled:
            return
        self._good = self._good + 1 if finite else 0
        if not finite:
            self.value = max(1.0, self.value / 2)
        elif self._good == PATIENCE:
            self.value, self._good = 2 * self.value, 0

    def facts(self) -> dict[str, Any] | None:
        """Return what `restore` needs, as JSON; None if disabled."""
        return {"value": self.value, "good": self._good} if self.enabled else None

    def restore(self, facts: Mapping[str, Any] | None) -> None:
        """Go on from what `facts` returned; without, or disabled, stay as it is."""
        if self.enabled and facts:
            self.value, self._good = float(facts["value"]), int(facts["good"])


# ---- One optimisation step, and the state that steps leave behind.

Amp = Literal["O0", "O1", "O2"]
FULL_PRECISION = {"sqrt", "scale"}  # operators, besides those that Paddle itself leaves in float32


@dataclass(frozen=True)
class Outcome:
    """What a step did.

    losses: scalars by name, means over the micro-batches and the ranks, and `loss`, their sum, when they are several.
    rate: the learning rate.  norm: of all gradients together, before clipping.  finite: False if loss or gradient were
    not; then nothing was changed.
    """

    losses: dict[str, Tensor]
    rate: float
    norm: float
    finite: bool


class Stepper:
    """Takes the optimisation steps of a task. A step depends on the state, its batches and its number only.

    done: the number of the last step taken.  whole: false while an update is under way; whoever interrupts that has
    half a step, and nothing worth saving.

    task: starts from the weights that its network has now (on rank 0).  schedule: finished steps → learning rate.
    clip_norm: the most that the norm of all gradients together may be.  accumulate: micro-batches of a step.
    ema_decay: of the averaged weights; None has none.  amp: O1 computes partly in float16; O2 keeps the weights in
    float16, too, with float32 behind them.

    Raises ConfigError for `amp` on a CPU.
    """

    def __init__(
        self,
        task: Learning,
        make_optimizer: MakeOptimizer,
        schedule: Callable[[int], float],
        *,
        seed: int = 0,
        clip_norm: float | None = None,
        accumulate: int = 1,
        ema_decay: float | None = None,
        amp: Amp = "O0",
        ranks: Ranks | None = None,
    ) -> None:
        _check_amp(amp)
        self.task, self._net = task, task.net
        self._make_optimizer, self._schedule = make_optimizer, schedule
        self._seed, self._clip_norm, self._accumulate, self._amp = seed, clip_norm, accumulate, amp
        self._ranks = ranks or Ranks()
        self.done, self.whole = 0, True
        self._on_cpu = paddle.get_device() == "cpu"
        self._scale = LossScale(enabled=amp != "O0")
        if self._ranks.world > 1:
            load_weights(self._net, self._ranks.share(self._arrays({})))
        self._average = None if ema_decay is None else Average(self._net, ema_decay)
        self._optimizer = self._fresh_optimizer()

    def step(self, batches: Sequence[Batch], step: int) -> Outcome:
        """Take the step of this number, counted from 1, on its micro-batches."""
        paddle.seed(_mix(self._seed, step, self._ranks.rank))
        self._net.train()
        self.task.policy.apply(self._net, step)
        rate = self._schedule(step - 1)
        try:
            losses = self._backward(batches, step)
            gradients = self._gradients()
            self._ranks.mean_([*gradients, *losses.values()])
            # the one time in a step that the host waits for the device
            norm, loss = paddle.stack([_norm(gradients), sum(losses.values())]).tolist()
            norm /= self._scale.value
            finite = math.isfinite(norm) and math.isfinite(loss)
            self._update(step, gradients if finite else None, norm, rate)
        finally:
            for parameter in self._net.parameters():
                parameter.clear_gradient(False)
        total = {"loss": sum(losses.values())} if len(losses) > 1 else {}
        return Outcome({**losses, **total}, rate, norm, finite)

    def state(self) -> State:
        """Return all that the next steps depend on."""
        return State(
            step=self.done,
            weights=self._arrays(master_weights(self._optimizer, self._net)),
            optimizer=get_moments(self._optimizer, self._net),
            ema=None if self._average is None else self.weights(),
            facts={
                "seed": self._seed,
                "optimizer": type(self._optimizer).__name__,
                "scaler": self._scale.facts(),
                "versions": {"ppvsr": __version__, "paddle": paddle.__version__, "numpy": np.__version__},
            },
        )

    def restore(self, state: State) -> None:
        """Go on after `state`; seed and schedule are the caller's. On a CPU the next steps are equal bit for bit.

        A state without averaged weights lets an average start from its weights. Raises WeightsError when it is a state
        of another network or optimizer; training cannot go on from here then.
        """
        made_with, wanted = state.facts.get("optimizer"), type(self._optimizer).__name__
        if made_with not in (None, wanted):
            raise WeightsError(
                f"{state.where}: was made with the optimizer {made_with}, the config says {wanted}; resume with the "
                "same, or take the weights alone with --load"
            )
        if self._amp == "O2":
            self._net.to(dtype="float32")
        if state.ema is not None:
            load_weights(self._net, state.ema, where=f"{state.where}, averaged weights")  # a check that they fit
        load_weights(self._net, state.weights, where=state.where)
        self._optimizer = self._fresh_optimizer()
        set_moments(self._optimizer, self._net, state.optimizer, state.where)
        for name, master in master_weights(self._optimizer, self._net).items():
            master.set_value(state.weights[name].astype(np.float32))
        if self._average is not None:
            self._average.restore(state.weights if state.ema is None else state.ema)
        self._scale.restore(state.facts.get("scaler"))
        self.done = state.step

    def weights(self) -> Arrays:
        """Return the weights to use: the averaged ones if there are, else the last ones, in float32."""
        exact = master_weights(self._optimizer, self._net)
        return {**self._arrays(exact), **(self._average.arrays() if self._average is not None else {})}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the network hold the weights that `weights` returns in this block, and run in the precision it is in."""
        precision = self._precision() if self._amp == "O2" else nullcontext()
        weights = self._average.swapped_in() if self._average is not None else nullcontext()
        with precision, weights:
            yield

    def preview(self, batch: Batch) -> dict[str, np.ndarray]:
        """Return pictures of the first clip by name, uint8 (h, w, 3); see `Learning`."""
        self._net.eval()
        with paddle.no_grad(), self._precision():
            pictures = self.task.preview(batch.lq, batch.gt)
        self._net.train()
        return pictures

    def _backward(self, batches: Sequence[Batch], step: int) -> dict[str, Tensor]:
        """Add up the gradients of the micro-batches and return the means of their losses."""
        if len(batches) != self._accumulate:
            raise ValueError(f"a step takes {self._accumulate} micro-batches, got {len(batches)}")
        # Gradients are averaged over the ranks later, so what is to be summed over them counts `world` times here.
        share = self._ranks.world if self.task.summed else 1 / self._accumulate
        totals: dict[str, Tensor] = {}
        for batch in batches:
            with self._precision():
                losses = self.task.losses(batch.lq, batch.gt, step, batch.part)
            total = sum(losses.values())
            # Paddle's deformable convolution crashes on gradients that are not finite, on the CPU; asking is free there
            if not self._on_cpu or bool(paddle.isfinite(total)):
                (total * (share * self._scale.value)).backward()
            for name, loss in losses.items():
                totals[name] = totals.get(name, 0) + loss.detach() / self._accumulate
        self.task.tie(step)
        return totals

    def _gradients(self) -> list[Tensor]:
        """Return the gradients of all parameters that learn.

        Those without one count as zeros: whether there is one may differ between ranks, and the steps must not.
        """
        gradients = []
        for parameter in self._net.parameters():
            if not parameter.stop_gradient:
                if parameter.grad is None:
                    parameter.grad = paddle.zeros_like(parameter)
                gradients.append(parameter.grad)
        return gradients

    def _update(self, step: int, gradients: list[Tensor] | None, norm: float, rate: float) -> None:
        """Let the state become that after `step`; without gradients only the counters move."""
        self.whole = False
        if gradients is not None:
            self._learn(gradients, norm, rate)
        self._scale.update(gradients is not None)
        self.done, self.whole = step, True

    def _learn(self, gradients: list[Tensor], norm: float, rate: float) -> None:
        factor = 1 / self._scale.value
        if self._clip_norm is not None and norm > self._clip_norm:
            factor *= self._clip_norm / norm
        if factor != 1:
            with paddle.no_grad():
                for gradient in gradients:
                    gradient.scale_(factor)
        self._optimizer.set_lr(rate)
        self._optimizer.step()
        if self._average is not None:
            self._average.update(master_weights(self._optimizer, self._net))

    def _precision(self) -> AbstractContextManager[None]:
        """Return the context of forward passes."""
        on = self._amp != "O0"
        return paddle.amp.auto_cast(
            enable=on, level=self._amp if on else "O1", dtype="float16", custom_black_list=FULL_PRECISION
        )

    def _fresh_optimizer(self) -> Any:
        """Make an optimizer that remembers nothing; with O2, turn the weights into float16."""
        optimizer = self._make_optimizer(list(self._net.parameters()))
        if self._amp == "O2":
            paddle.amp.decorate(
                models=self._net,
                optimizers=optimizer,
                level="O2",
                dtype="float16",
                master_weight=True,
                master_grad=True,
            )
        return optimizer

    def _arrays(self, exact: dict[str, Tensor]) -> Arrays:
        """Return weights and constants by name, in float32; those in `exact` from there."""
        return {name: exact.get(name, held).numpy().astype(np.float32) for name, held in self._net.state_dict().items()}


def _check_amp(amp: Amp) -> None:
    if amp != "O0" and paddle.get_device() == "cpu":
        raise ConfigError(
            f"--amp {amp}: half precision needs a GPU, this is a CPU; leave it out, or choose --device gpu"
        )


def _mix(*numbers: int) -> int:
    """Make one seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


@paddle.no_grad()
def _norm(gradients: Sequence[Tensor]) -> Tensor:
    """Return the norm of all gradients together, in float32."""
    return paddle.stack([gradient.astype("float32").square().sum() for gradient in gradients]).sum().sqrt()
