import subprocess
import sys

import numpy as np
import paddle
import pytest

from ppvsr.errors import WeightsError
from ppvsr.train.checkpoint import read_checkpoint, write_checkpoint
from ppvsr.train.optimizers import adam, adamw, momentum, rmsprop, sgd
from tests.train.nets import SmallNet, same, same_state, small_net, stepper, take, weights

OPTIONS = {"ema_decay": 0.9, "clip_norm": 0.5, "accumulate": 2, "fix_iter": 3, "seed": 4}
OPTIMIZERS = {"Adam": adam(), "AdamW": adamw(), "SGD": sgd(), "Momentum": momentum(), "RMSProp": rmsprop()}
OTHER_PROCESS = """
import sys
import paddle
paddle.nn.Linear(3, 3), paddle.nn.Conv2D(1, 1, 1)  # so that Paddle's own names of parameters are others
from pathlib import Path
from ppvsr.train.checkpoint import read_checkpoint, write_checkpoint
from tests.train.nets import small_net, stepper, take
from tests.train.test_resume import OPTIONS
steps = stepper(small_net(seed=99), rate=lambda step: 0.01 / (1 + step), **OPTIONS)
steps.restore(read_checkpoint(sys.argv[1]))
take(steps, steps.state().step + 1, 6, accumulate=2)
write_checkpoint(Path(sys.argv[2]), steps.state())
"""


@pytest.mark.slow
def test_half_the_steps_and_half_in_another_process_are_all_steps(tmp_path):
    """Over the end of the frozen steps, with accumulation, clipping and averaging; equal to the last bit."""
    (tmp_path / "half").mkdir()
    through = stepper(rate=lambda step: 0.01 / (1 + step), **OPTIONS)
    take(through, 1, 2, accumulate=2)
    half = write_checkpoint(tmp_path / "half", through.state())
    take(through, 3, 6, accumulate=2)
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, half, tmp_path], check=True, timeout=120)
    resumed = read_checkpoint(tmp_path / "iter_6_checkpoint.pdparams")
    assert same_state(resumed, through.state())
    assert resumed.step == 6 and resumed.ema is not None and not same(resumed.ema, resumed.weights)
    assert {name.rpartition(".")[2] for name in resumed.optimizer} == {
        "moment1", "moment2", "beta1_pow_acc", "beta2_pow_acc",
    }  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("done", [2, 3, 4])
def test_every_optimizer_goes_on_exactly_around_the_end_of_the_frozen_steps(name, done):
    make = OPTIMIZERS[name]
    through = stepper(make=make, fix_iter=3)
    take(through, 1, done)
    state = through.state()
    take(through, done + 1, 6)
    resumed = stepper(small_net(seed=5), make=make, fix_iter=3)
    resumed.restore(state)
    take(resumed, done + 1, 6)
    assert same_state(resumed.state(), through.state())


def test_a_stepper_can_go_back():
    steps = stepper(ema_decay=0.5, fix_iter=1)
    take(steps, 1, 1)
    state = steps.state()
    take(steps, 2, 3)
    later = steps.state()
    steps.restore(state)
    assert same_state(steps.state(), state)
    take(steps, 2, 3)
    assert same_state(steps.state(), later)


def test_frozen_parameters_get_neither_updates_nor_moments():
    net = small_net()
    steps = stepper(net, make=adamw(), fix_iter=2)
    before = weights(net)
    take(steps, 1, 2)
    for name, value in weights(net).items():
        assert (value == before[name]).all() == name.startswith(("spynet", "mean")), name
    assert not any(name.startswith("spynet") for name in steps.state().optimizer)
    take(steps, 3, 3)
    assert (weights(net)["spynet.weight"] != before["spynet.weight"]).any()
    assert "spynet.weight.moment1" in steps.state().optimizer
    assert steps.state().optimizer["spynet.weight.beta1_pow_acc"][0] == np.float32(0.9) ** 2  # begins here


def test_averaging_can_begin_and_end_at_a_resume():
    plain, averaging = stepper(), stepper(ema_decay=0.9)
    take(plain, 1, 2), take(averaging, 1, 2)
    fresh = stepper(ema_decay=0.9)
    fresh.restore(plain.state())
    assert same(fresh.weights(), plain.weights())
    without = stepper()
    without.restore(averaging.state())
    assert without.state().ema is None and same(without.weights(), averaging.state().weights)


def test_another_network_is_refused_with_the_differences(tmp_path):
    path = write_checkpoint(tmp_path, stepper(SmallNet(width=8)).state())
    net = small_net()
    before = weights(net)
    with pytest.raises(
        WeightsError, match=r"iter_0_checkpoint.*differ from SmallNet(.|\n)*spynet.weight \[8, 3, 3, 3\]"
    ):
        stepper(net).restore(read_checkpoint(path))
    assert same(before, weights(net))


def test_averaged_weights_of_another_network_are_refused():
    state = stepper(ema_decay=0.9).state()
    del state.ema["body.bias"]
    with pytest.raises(WeightsError, match=r"averaged weights: 1 of 7(.|\n)*missing: body.bias"):
        stepper(ema_decay=0.9).restore(state)


def test_another_optimizer_is_refused():
    steps = stepper()
    take(steps, 1, 1)
    with pytest.raises(WeightsError, match="with the optimizer Adam, the config says SGD; resume with the same, or"):
        stepper(make=sgd()).restore(steps.state())


def test_moments_that_do_not_fit_are_refused():
    steps = stepper()
    take(steps, 1, 1)
    state = steps.state()
    del state.optimizer["body.bias.moment2"]
    with pytest.raises(
        WeightsError, match=r"was made with another optimizer.*Adam needs.*differs at body.bias.moment2"
    ):
        stepper().restore(state)
    state.optimizer["nothing.moment2"] = np.zeros(3, np.float32)
    with pytest.raises(WeightsError, match=r"differs at body.bias.moment2, nothing.moment2"):
        stepper().restore(state)


def test_paddle_would_lose_the_moments_that_we_keep():
    """The reason for our own names: those of Paddle count the layers of a process."""
    one, other = (adam()(list(net.parameters())) for net in (small_net(), small_net()))
    (sum(p.sum() for p in one._parameter_list)).backward()
    one.step()
    assert not set(one.state_dict()) & {f"{p.name}_moment1_0" for p in other._parameter_list}
    assert isinstance(one, paddle.optimizer.Adam)
