"""A flow network that learns known motions."""

from types import SimpleNamespace

import cv2
import numpy as np
import paddle
import pytest

from ppvsr.archs.msvsr import MSVSR
from ppvsr.archs.spynet import SPyNet
from ppvsr.data.clips import ArrayFrames
from ppvsr.errors import ConfigError
from ppvsr.evaluate.metrics import EndPointError
from ppvsr.evaluate.runners import flow_runner
from ppvsr.ops.init import reset_weights
from ppvsr.train.checkpoint import read_checkpoint, write_checkpoint, write_weights
from ppvsr.train.optimizers import adam
from ppvsr.train.setup import load_parts
from ppvsr.train.step import Stepper
from ppvsr.train.task import SMALL, flow_model
from tests.archs.nets import tiny
from tests.train.nets import same, same_state, weights

SIDE = 32


def flow_net(seed=0, kind="tiny"):
    paddle.seed(seed)
    return SPyNet(kind)


def stepper(seed=0, *, level_iters=0, rate=2e-3, **options):
    task = flow_model(generator=flow_net(seed), level_iters=level_iters)
    return Stepper(task, adam(beta2=0.99), lambda step: rate, clip_norm=2.0, **options)


def batch(seed, shift=(1.0, -0.5), count=2):
    """Pairs of smooth noise, the second shifted; all of them counts."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    pairs = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (14, 14, 3)).astype(np.uint8)
        other = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        ref = cv2.remap(other, x + shift[0], y + shift[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        pairs.append(np.concatenate([ref, other], axis=2).transpose(2, 0, 1)[None])
    known = np.ones((count, 1, 3, SIDE, SIDE), np.float32)
    known[:, :, :2] = np.array(shift, np.float32).reshape(2, 1, 1)
    return SimpleNamespace(
        lq=paddle.to_tensor(np.stack(pairs)), gt=paddle.to_tensor(known), keys=["a"] * count, part=None
    )


def take(steps, first, last, **options):
    return [steps.step([batch(step, **options)], step) for step in range(first, last + 1)]


def levels(net):
    return [{name: value.numpy() for name, value in level.state_dict().items()} for level in net.levels]


def test_all_levels_start_alike_and_a_signal_reaches_the_end():
    for kind in ("tiny", "full", "basic"):
        net = flow_net(kind=kind)
        net.prepare_to_learn()
        first, *others = levels(net)
        assert all(same(first, each) for each in others)
        noise = paddle.rand([2, 1, 3, SIDE, SIDE])
        signal = net(*noise).std(axis=[2, 3]).mean().item()
        for level in net.levels:
            reset_weights(level)
        assert 0.1 < signal < 0.5 and net(*noise).std(axis=[2, 3]).mean().item() < 0.6 * signal


def test_the_first_features_are_the_difference_and_the_derivatives():
    net = flow_net()
    net.prepare_to_learn()
    conv = net.levels[0][0][0]
    x = np.mgrid[0:SIDE, 0:SIDE][1].astype(np.float32)
    rising = paddle.to_tensor(np.broadcast_to(x, (1, 3, SIDE, SIDE)).copy())
    rest = paddle.zeros([1, 2, SIDE, SIDE])
    found = {}
    for name, pair in {"change": [rising + 10, rising], "slope": [rising + 1, rising - 1]}.items():
        plain = conv(paddle.concat([rising, rising, rest], axis=1))
        found[name] = conv(paddle.concat([*pair, rest], axis=1))[0, :6, 8, 8].numpy(), plain[0, :6, 8, 8].numpy()
    change = found["change"][0] - found["change"][1]
    assert change[0] > 40 and change[1] < -40 and np.abs(change[2:]).max() < 15  # 3 colours, 10 levels, 1.5 each
    down = conv(paddle.concat([rising.transpose([0, 1, 3, 2])] * 2 + [rest], axis=1))[0, :6, 8, 8].numpy()
    across = found["change"][1]
    assert across[2] - across[3] > 10 > abs(across[4] - across[5]) and down[4] - down[5] > 10 > abs(down[2] - down[3])


def test_while_one_level_learns_alone_all_are_equal_to_the_last_bit_and_then_they_part():
    steps = stepper(level_iters=2, ema_decay=0.9)
    start = levels(steps.task.net)[0]
    take(steps, 1, 2)
    first, *others = levels(steps.task.net)
    assert all(same(first, each) for each in others) and not same(first, start)
    average = steps.weights()
    for name in average:  # the averages, too
        if name.startswith("levels.0."):
            assert (average[name] == average[name.replace("levels.0.", "levels.2.")]).all()
    take(steps, 3, 3)
    first, *others = levels(steps.task.net)
    assert not any(same(first, each) for each in others)


def test_one_level_is_taught_small_motions_only():
    task = flow_model(generator=flow_net(), level_iters=1)
    fast, slow = batch(1, shift=(SMALL + 0.1, 0.0)), batch(1, shift=(SMALL - 0.1, 0.0))
    assert list(task.losses(fast.lq, fast.gt, 1)) == ["loss_level0"]
    assert task.losses(fast.lq, fast.gt, 1)["loss_level0"].item() == 0
    assert task.losses(slow.lq, slow.gt, 1)["loss_level0"].item() > 0.5
    assert list(task.losses(fast.lq, fast.gt, 2)) == ["loss_level2", "loss_level1", "loss_level0"]


def test_each_level_is_compared_with_the_flow_at_its_size_and_what_does_not_count_is_left_out():
    class Blind(SPyNet):
        def flows(self, ref, other):
            return [paddle.zeros_like(each[:, :2]) for each in ref]

    task = flow_model(generator=Blind("tiny"))
    clip = batch(1, shift=(3.0, 4.0))
    losses = {name: loss.item() for name, loss in task.losses(clip.lq, clip.gt, 1).items()}
    assert losses == pytest.approx(
        {"loss_level0": 5, "loss_level1": 0.55 * 2.5, "loss_level2": 0.3025 * 1.25}, rel=1e-3
    )
    clip.gt[:, :, 2, :, : SIDE // 2] = 0
    assert task.losses(clip.lq, clip.gt, 1)["loss_level0"].item() == pytest.approx(2.5, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("level_iters", [0, 40])
def test_steps_lower_the_error_on_a_batch(level_iters):
    steps, clip = stepper(level_iters=level_iters), batch(1)
    errors = [steps.step([clip], step).losses["loss_level0"].item() for step in range(1, 41)]
    assert np.mean(errors[-5:]) < 0.6 * errors[0]


@pytest.mark.slow
@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_run_goes_on_exactly_around_the_end_of_the_first_phase(done, tmp_path):
    options = {"level_iters": 2, "ema_decay": 0.9}
    through = stepper(**options)
    take(through, 1, done)
    path = write_checkpoint(tmp_path, through.state())
    take(through, done + 1, 4)
    resumed = stepper(seed=5, **options)
    resumed.restore(read_checkpoint(path))
    take(resumed, done + 1, 4)
    assert same_state(resumed.state(), through.state())


def test_what_was_learned_is_what_a_video_network_starts_from(tmp_path):
    net = flow_net()
    flow_model(generator=net)
    path = write_weights(tmp_path, "flow", weights(net))
    network = tiny("MSVSR")
    assert isinstance(network, MSVSR)
    load_parts(network, {"spynet": str(path)})
    assert same(weights(network.spynet), weights(net))


def test_the_runner_measures_in_pixels_against_zero_flow():
    clip = batch(3, shift=(0.6, 0.8))
    lq, gt = (ArrayFrames(each[0].numpy().transpose(0, 2, 3, 1)) for each in (clip.lq, clip.gt))
    net = flow_net()
    net.train()
    (flow,) = flow_runner(net)(lq)
    assert net.training and flow.shape == (SIDE, SIDE, 3)
    net.eval()
    expected = net(*(half.astype("float32") / 255 for half in clip.lq[0].split(2, axis=1)))[0].numpy()
    assert flow[..., :2] == pytest.approx(expected.transpose(1, 2, 0), abs=1e-5)
    assert EndPointError(zero=True)(flow, gt[0]) == pytest.approx(1, rel=1e-5)


def test_pictures_of_a_step_show_the_pair_and_both_flows():
    pictures = stepper().preview(batch(1, shift=(4.0, 0.0)))
    assert list(pictures) == ["ref", "other", "flow", "truth"]
    assert all(each.shape == (SIDE, SIDE, 3) and each.dtype == np.uint8 for each in pictures.values())
    assert (pictures["truth"] == [191, 128, 128]).all()  # 4 of 16 pixels to the right


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"model.generator: FlowModel trains SPyNet, not MSVSR"):
        flow_model(generator=tiny("MSVSR"))
    with pytest.raises(ConfigError, match=r"model.level_iters: expected 0 or more, got -1"):
        flow_model(generator=flow_net(), level_iters=-1)
    task = flow_model(generator=flow_net())
    with pytest.raises(ConfigError, match="learns from pairs with known flow, not from clips"):
        task.losses(paddle.zeros([1, 2, 3, SIDE, SIDE]), paddle.zeros([1, 2, 3, SIDE, SIDE]), 1)
    with pytest.raises(ConfigError, match="multiples of 32, not 40x32"):
        task.losses(paddle.zeros([1, 1, 6, 32, 40]), paddle.zeros([1, 1, 3, 32, 40]), 1)
