"""A training run with a stepper that only counts."""

import signal
from itertools import count

import numpy as np
import paddle

from ppvsr.data.loader import Batch
from ppvsr.evaluate.evaluate import Scores
from ppvsr.system.ranks import Ranks
from ppvsr.train.checkpoint import State, read_checkpoint
from ppvsr.train.experiment import LogOptions, SnapshotOptions
from ppvsr.train.log import Journal, read_events
from ppvsr.train.loop import train
from ppvsr.train.step import Outcome

NAME = "conv_in.weight"


class Counter:
    """A stepper whose one weight is the number of steps that changed it.

    acts: what happens inside a step, before it changes anything.  inside: and while it does.
    """

    def __init__(self, bad=(), acts=None, value=0, inside=None):
        self.inside = inside or {}
        self.bad, self.acts, self.value = set(bad), acts or {}, value
        self.done, self.whole = 0, True

    def step(self, batches, step):
        finite = step not in self.bad
        self.acts.get(step, lambda: None)()
        self.whole = False
        self.value += finite
        self.inside.get(step, lambda: None)()
        self.done, self.whole = step, True
        loss = paddle.to_tensor(0.5 if finite else float("nan"))
        return Outcome(losses={"loss_pix": loss}, rate=2e-4, norm=1.0, finite=finite)

    def weights(self):
        return {NAME: np.full((1, 1, 1, 1), self.value, np.float32)}

    def state(self):
        return State(step=-1, weights=self.weights(), facts={"seed": 7})

    def preview(self, batch):
        return {name: np.zeros((2, 2, 3), np.uint8) for name in ("lq", "output", "gt")}


class Book(Journal):
    """A journal without curves: drawing takes its time, and test_journal.py looks at it."""

    def draw(self):
        pass


def feed(first, acts=None):
    """Batches from `first` on, without end."""
    step = first
    while True:
        (acts or {}).get(step, lambda: None)()
        yield [Batch(lq=None, gt=None, keys=[f"clip{step}a", f"clip{step}b"])]
        step += 1


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def fail(error):
    def act():
        raise error

    return act


def scores(*values):
    """A validation that gives these values of psnr in turn."""
    rest = iter(values)
    return lambda step: Scores(clips=(), mean={"psnr": next(rest), "ssim": 0.5}, peak_bytes=0)


def run(folder, stepper=None, total=6, first=1, acts=None, snapshot=None, **options):
    options = {"log": LogOptions(interval=2), "validate": None, "validate_interval": -1, **options}
    snapshot = snapshot or SnapshotOptions(interval=100)
    stepper = stepper or Counter()
    stepper.done = first - 1
    ranks = options.get("ranks") or Ranks()
    with Book(
        folder, total=total, first=first, ranks=ranks, tensorboard=False, now=count().__next__, memory=dict
    ) as book:
        return train(
            stepper,
            feed(first, acts),
            first=first,
            total=total,
            folder=folder,
            snapshot=snapshot,
            journal=book,
            **options,
        )


def files(folder, kind="*.pdparams"):
    return sorted(path.name for path in folder.glob(kind))


def value(folder, name):
    return read_checkpoint(folder / name).weights[NAME].item()


def events(folder, kind):
    return [event for event in read_events(folder / "metrics.jsonl") if event["kind"] == kind]
