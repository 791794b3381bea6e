import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ppvsr.data.clips import RepeatDataset
from ppvsr.data.folders import VSRREDSMultipleGTDataset
from ppvsr.data.loader import LoaderOptions, batches, steps_per_epoch
from ppvsr.errors import ConfigError, DataError
from tests.datasets.trees import TRAIN, reds, silent


class Numbers:
    """A data set without files: sample i holds i, and bytes of its generator."""

    mirrored = False

    def __init__(self, length=10, error=None, dtype=np.uint8):
        self.length, self.error, self.dtype = length, error, dtype

    def __len__(self):
        return self.length

    def load(self, index, rng, span=None):
        if self.error and index == 3:
            raise self.error
        side = 4 if index != 7 or self.length != 8 else 5
        noise = rng.integers(0, 256, (2, 3, side, side)).astype(self.dtype)
        return {"lq": noise, "gt": noise.repeat(2, axis=2).repeat(2, axis=3), "key": str(index)}


def run(dataset=None, *, batch_size=2, workers=0, shared=True, **options):
    options = {"seed": 5, "first": 1, "last": 7, **options}
    steps = batches(dataset or Numbers(), LoaderOptions(batch_size, workers, shared), **options)
    return [[(batch.keys, batch.lq.numpy(), batch.gt.numpy()) for batch in step] for step in steps]


def same(one, other):
    return len(one) == len(other) and all(
        len(a) == len(b)
        and all(x[0] == y[0] and all(map(np.array_equal, x[1:], y[1:])) for x, y in zip(a, b, strict=True))
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    dataset = VSRREDSMultipleGTDataset(**reds(tmp_path_factory.mktemp("reds")), num_frames=3, preprocess=TRAIN)
    dataset.prepare(silent)
    return RepeatDataset(dataset=dataset, times=5)


@pytest.mark.parametrize("shared", [True, False])
def test_workers_read_what_one_process_reads_in_bytes(tree, shared):
    here, there = run(tree), run(tree, workers=2, shared=shared)
    assert same(here, there) and len(here) == 7
    keys, lq, gt = there[0][0]
    assert lq.shape == (2, 3, 3, 8, 8) and gt.shape == (2, 3, 3, 32, 32) and len(keys) == 2
    assert lq.dtype == gt.dtype == np.uint8
    assert not multiprocessing.active_children()


def test_floats_stay_floats_on_their_way():
    (((_, lq, gt),),) = run(Numbers(dtype=np.float32), workers=1, last=1)
    assert lq.dtype == gt.dtype == np.float32


def test_samples_follow_from_seed_epoch_and_index():
    assert same(run(), run())
    assert not same(run(), run(seed=6))
    for step in run(last=10):
        for keys, lq, _ in step:
            for key, pixels in zip(keys, lq, strict=True):
                epochs = [np.random.default_rng((5, epoch, 1 + int(key))) for epoch in range(2)]
                expected = [rng.integers(0, 256, pixels.shape).astype(np.uint8) for rng in epochs]
                assert any(np.array_equal(pixels, each) for each in expected)


def test_an_epoch_reads_every_clip_once_and_the_next_one_in_another_order():
    orders = [
        [key for step in run(first=first, last=first + 4) for batch in step for key in batch[0]] for first in (1, 6)
    ]
    assert [sorted(order, key=int) for order in orders] == [[str(i) for i in range(10)]] * 2
    for epoch, order in enumerate(orders):
        assert order == [str(i) for i in np.random.default_rng((5, epoch)).permutation(10)]


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_gives_the_same_rest(workers):
    whole = run(last=12, accumulate=2, workers=workers)
    assert same(whole[4:], run(first=5, last=12, accumulate=2, workers=workers))


def test_ranks_together_read_what_one_process_reads():
    whole = run(batch_size=4, last=9, accumulate=2)
    shares = [run(batch_size=2, last=9, accumulate=2, rank=rank, world=2) for rank in range(2)]
    for step, *parts in zip(whole, *shares, strict=True):
        for batch, *halves in zip(step, *parts, strict=True):
            assert batch[0] == halves[0][0] + halves[1][0]
            for i in (1, 2):
                assert np.array_equal(batch[i], np.concatenate([half[i] for half in halves]))


def test_no_steps_are_no_batches_and_no_workers():
    assert run(first=8, last=7, workers=2) == []


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("error", [DataError("clip 3: is damaged"), ConfigError("clip 3: cannot be")])
def test_an_error_of_a_worker_arrives_as_itself(workers, error):
    with pytest.raises(type(error)) as caught:
        run(Numbers(error=error), workers=workers)
    assert type(caught.value) is type(error) and str(caught.value) == str(error)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fault_in_a_data_set_arrives_with_its_place(workers):
    with pytest.raises(RuntimeError, match=r"(?s)a clip could not be read:.*test_loader.py.*ZeroDivisionError: oh"):
        run(Numbers(error=ZeroDivisionError("oh")), workers=workers)


def test_clips_of_two_shapes_do_not_make_a_batch():
    message = r"clips of one batch must have one shape: .*7 \(2, 3, 5, 5\) \(2, 3, 10, 10\).*; crop them with"
    with pytest.raises(DataError, match=message):
        run(Numbers(8), last=4)


@pytest.mark.slow
def test_a_killed_worker_is_an_error_and_not_a_silence():
    steps = batches(Numbers(), LoaderOptions(1, 2), seed=0, first=1, last=10**6)
    next(steps)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(
        DataError, match=r"a process that reads training data has died.*lower num_workers or batch_size"
    ):
        for _ in steps:
            pass
    assert not multiprocessing.active_children()


def test_closing_the_iterator_ends_the_workers():
    steps = batches(Numbers(), LoaderOptions(1, 2), seed=0, first=1, last=10**6)
    next(steps)
    assert len(multiprocessing.active_children()) == 2
    steps.close()
    assert not multiprocessing.active_children()


def test_control_c_reaches_the_caller_and_leaves_the_workers_to_it():
    steps = batches(Numbers(), LoaderOptions(1, 2), seed=0, first=1, last=10**6)
    next(steps)
    for worker in multiprocessing.active_children():  # a terminal tells all of them
        os.kill(worker.pid, signal.SIGINT)
    for _ in range(20):
        next(steps)
    with pytest.raises(KeyboardInterrupt):
        for number, _ in enumerate(steps):
            if number == 5:
                os.kill(os.getpid(), signal.SIGINT)
    steps.close()
    assert not multiprocessing.active_children()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_process_leaves_no_workers():
    code = (
        "import multiprocessing, os\nfrom tests.datasets.test_loader import *\n"
        "steps = batches(Numbers(), LoaderOptions(1, 2), seed=0, first=1, last=10**6); next(steps)\n"
        "print(*[each.pid for each in multiprocessing.active_children()], flush=True); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    # the workers hold the pipe too: run() returns when the last of them has ended
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, timeout=30
    )
    workers = result.stdout.split()
    assert result.returncode == -9 and len(workers) == 2
    end = time.monotonic() + 5
    while any(_lives(worker) for worker in workers):
        assert time.monotonic() < end, "workers have outlived their parent"


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_an_epoch_has_whole_steps_only():
    assert steps_per_epoch(64612, 8) == 8076
    with pytest.raises(ConfigError, match=r"has 3 clips, one step takes 8 .*RepeatDataset with times: 3 or more"):
        steps_per_epoch(3, 8)
    with pytest.raises(ConfigError, match="has 10 clips, one step takes 12"):
        batches(Numbers(), LoaderOptions(3), seed=0, first=1, last=2, accumulate=2, world=2)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_workers": -1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match="batch_size must be 1 or more, num_workers 0 or more; got"):
        LoaderOptions(**options)
