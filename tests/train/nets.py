"""A network that takes no time, and what goes around it."""

from types import SimpleNamespace

import numpy as np
import paddle
import paddle.nn as nn

from ppvsr.train.losses import CharbonnierLoss
from ppvsr.train.optimizers import adam
from ppvsr.train.step import Stepper
from ppvsr.train.task import multi_stage_vsr


class SmallNet(nn.Layer):
    """Two outputs, twice the size, through a part that is called spynet; (b, t, 3, h, w) in and out."""

    def __init__(self, width=4):
        super().__init__()
        self.spynet = nn.Conv2D(3, width, 3, padding=1)
        self.body = nn.Conv2D(width, width, 3, padding=1)
        self.tail = nn.Conv2D(width, 12, 3, padding=1)
        self.register_buffer("mean", paddle.full([1, 3, 1, 1], 0.5))

    def forward(self, lq):
        b, t, _, h, w = lq.shape
        x = self.spynet(lq.flatten(0, 1) - self.mean)
        outputs = [nn.functional.pixel_shuffle(self.tail(y), 2) for y in (x, self.body(nn.functional.relu(x)))]
        return tuple(y.reshape([b, t, 3, 2 * h, 2 * w]) for y in outputs)


def small_net(seed=0):
    paddle.seed(seed)
    return SmallNet()


def task(net=None, *, reduction="mean", **options):
    criterion = CharbonnierLoss(reduction=reduction)
    return multi_stage_vsr(generator=net or small_net(), pixel_criterion=criterion, **options)


def stepper(net=None, *, make=None, rate=1e-2, reduction="mean", fix_iter=0, **options):
    schedule = rate if callable(rate) else lambda step: rate
    return Stepper(task(net, reduction=reduction, fix_iter=fix_iter), make or adam(), schedule, **options)


def batch(*seeds, bad=False):
    """Return one clip for each seed, two frames of 6 x 5."""
    draws = [np.random.default_rng(seed) for seed in seeds]
    lq = np.stack([draw.integers(0, 256, (2, 3, 6, 5), np.uint8) for draw in draws])
    gt = np.stack([draw.integers(0, 256, (2, 3, 12, 10), np.uint8) for draw in draws])
    if bad:
        lq = np.full(lq.shape, np.nan, np.float32)
    return SimpleNamespace(
        lq=paddle.to_tensor(lq), gt=paddle.to_tensor(gt), keys=[str(seed) for seed in seeds], part=None
    )


def take(steps, first, last, *, size=1, accumulate=1):
    """Take steps whose batches depend on their number only; return the outcomes."""
    return [
        steps.step([batch(*(100 * step + size * k + i for i in range(size))) for k in range(accumulate)], step)
        for step in range(first, last + 1)
    ]


def weights(net):
    return {name: value.numpy().copy() for name, value in net.state_dict().items()}


def same(one, other):
    """Whether two sets of arrays are equal to the last bit."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and one[name].tobytes() == other[name].tobytes() for name in one
    )


def same_state(one, other):
    return (
        one.step == other.step
        and same(one.weights, other.weights)
        and same(one.optimizer, other.optimizer)
        and (one.ema is other.ema is None or same(one.ema, other.ema))
        and one.facts == other.facts
    )
