"""What one rank does in test_ranks.py: `python -m paddle.distributed.launch ... rank_worker.py FOLDER [WAY TO END]`."""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from ppvsr.system.ranks import Ranks, join
from ppvsr.train.optimizers import momentum
from tests.train.nets import SmallNet, batch, small_net, stepper, weights

RATES = {"mean": 1e-2, "sum": 5e-6}


class Choosy(SmallNet):
    """Does without its body for clips whose first byte is even."""

    def forward(self, lq):
        first, second = super().forward(lq)
        return first, second if int(lq.flatten()[0] * 255 + 0.5) % 2 else first


def run(reduction, net, ranks, seeds):
    """Train with one clip on each of two ranks, or both in one process; return the weights and the last losses."""
    steps = stepper(net, make=momentum(), rate=RATES[reduction], reduction=reduction, ranks=ranks)
    for step in (1, 2, 3):
        outcome = steps.step([batch(*(10 * step + seed for seed in seeds))], step)
    return {**weights(net), "loss": outcome.losses["loss_pix"].numpy(), "norm": np.float32(outcome.norm)}


def main(folder, end="well"):
    ranks = join()
    assert ranks == Ranks(int(os.environ["PADDLE_TRAINER_ID"]), 2)
    assert ranks.total(np.array([1, ranks.rank])).tolist() == [2, 1]
    assert ranks.share({"rank": ranks.rank}) == {"rank": 0}
    if end == "killed" and ranks.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    for reduction in RATES:
        found = run(reduction, small_net(seed=ranks.rank), ranks, [ranks.rank])  # each from weights of its own
        np.savez(Path(folder) / f"{reduction}{ranks.rank}.npz", **found)
    np.savez(Path(folder) / f"choosy{ranks.rank}.npz", **run("mean", Choosy(), ranks, [ranks.rank]))
    ranks.barrier()


if __name__ == "__main__":
    main(*sys.argv[1:])
