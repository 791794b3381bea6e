import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppvsr.errors import PpvsrError
from ppvsr.system import ranks
from ppvsr.system.ranks import Ranks, join
from tests.system import rank_worker
from tests.train.nets import batch, same, small_net

ROOT = Path(__file__).parents[2]
LIMIT = 90  # seconds; measured 8


def launch(folder, *arguments):
    """Run the worker as two processes on the CPU; return exit code and what was printed."""
    command = [
        *(sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", folder / "log"),
        *(rank_worker.__file__, folder, *arguments),
    ]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PADDLE_DISTRI_BACKEND": "gloo"}
    done = subprocess.run(
        command, env=environment, cwd=folder, timeout=LIMIT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout


def arrays(path):
    with np.load(path) as file:
        return dict(file)


@pytest.mark.slow
def test_two_ranks_give_the_weights_of_one_process_with_both_batches(tmp_path):
    """Measured: the ranks are equal to the last bit, and within 1e-8 of one process (they move by 9e-3)."""
    code, text = launch(tmp_path)
    assert code == 0, text
    for name in ("mean", "sum", "choosy"):
        assert same(*(arrays(tmp_path / f"{name}{rank}.npz") for rank in (0, 1))), name
    for reduction in rank_worker.RATES:
        together = arrays(tmp_path / f"{reduction}0.npz")
        alone = rank_worker.run(reduction, small_net(), Ranks(), [0, 1])
        loss, norm = (float(alone.pop(key)) for key in ("loss", "norm"))
        share = 1 if reduction == "mean" else 0.5  # losses are told as means over the ranks
        assert float(together.pop("loss")) == pytest.approx(share * loss, rel=1e-5)
        assert float(together.pop("norm")) == pytest.approx(norm, rel=1e-5)
        assert not same(alone, {key: value.numpy() for key, value in small_net().state_dict().items()})
        for key, value in alone.items():
            np.testing.assert_allclose(together[key], value, rtol=0, atol=1e-7)


@pytest.mark.slow
def test_a_rank_that_was_killed_ends_the_job_with_a_message(tmp_path):
    started = time.monotonic()
    code, text = launch(tmp_path, "killed")
    assert code != 0 and time.monotonic() - started < LIMIT / 2
    assert "Container failed" in text and "rank 1" in text and "code -9" in text
    assert not list(tmp_path.glob("*.npz"))


def test_without_a_launcher_there_is_one_rank(monkeypatch):
    monkeypatch.delenv("PADDLE_TRAINERS_NUM", raising=False)
    alone = join()
    assert alone == Ranks(0, 1) and alone.main and not Ranks(1, 2).main
    tensor = paddle.to_tensor([1.0])
    alone.mean_([tensor])
    alone.barrier()
    assert tensor.item() == 1 and alone.total(np.array([2])).tolist() == [2] and alone.share(batch) is batch


class Store:
    """A list of who has come to which others come, one at every look."""

    def __init__(self, others):
        self.others, self.count = others, 0

    def add(self, key, number):
        self.count += number + (number == 0 and self.others)
        return self.count


def test_ranks_wait_for_each_other_without_the_limits_of_gloo(monkeypatch):
    store, met = Store(others=1), []
    monkeypatch.setattr(paddle.base.core, "create_or_get_global_tcp_store", lambda: store)
    monkeypatch.setattr(ranks.dist, "barrier", lambda: met.append(store.count))
    three = Ranks(0, 3)
    three.barrier()
    three.barrier()
    assert met == [3, 6]


def test_a_rank_that_never_comes_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(paddle.base.core, "create_or_get_global_tcp_store", lambda: Store(others=0))
    monkeypatch.setattr(ranks, "PATIENCE", 0.01)
    with pytest.raises(PpvsrError, match=r"rank 1 of 2: another process .* is gone \(not all came .*--resume auto"):
        Ranks(1, 2).total(np.zeros(1))


def test_a_port_in_use_is_named_before_paddle_crashes(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        for key, value in {"TRAINERS_NUM": "2", "TRAINER_ID": "0", "MASTER": place}.items():
            monkeypatch.setenv(f"PADDLE_{key}", value)
        with pytest.raises(PpvsrError, match=rf"{place}: this port is in use .*another --master"):
            join()
