import math

import numpy as np
import paddle
import pytest

from ppvsr.errors import ConfigError
from ppvsr.train import step as module
from ppvsr.train.losses import CharbonnierLoss
from ppvsr.train.optimizers import adam, adamw, momentum, rmsprop, sgd
from ppvsr.train.step import LossScale
from tests.train.nets import batch, same, same_state, small_net, stepper, take, weights

OPTIMIZERS = {"Adam": adam(), "AdamW": adamw(), "SGD": sgd(), "Momentum": momentum(), "RMSProp": rmsprop()}
RATES = {"mean": 1e-2, "sum": 5e-6}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns(name):
    steps = stepper(make=OPTIMIZERS[name], rate=0.1 if name == "SGD" else 3e-3)
    losses = [steps.step([batch(1)], step).losses["loss"].item() for step in range(1, 31)]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_flow_network_learns_at_a_quarter_of_the_rate(name):
    """Seen by two networks whose rates differ by four: the part with the multiplier makes the same first step."""
    moved = {}
    for multiplier, rate in ((0.25, 4e-3), (1.0, 1e-3)):
        net = small_net()
        steps = stepper(net, make=OPTIMIZERS[name], rate=rate)
        assert steps.task.policy.lr_mult == 0.25
        object.__setattr__(steps.task.policy, "lr_mult", multiplier)
        before = weights(net)
        take(steps, 1, 1)
        moved[multiplier] = {key: value - before[key] for key, value in weights(net).items()}
    np.testing.assert_allclose(moved[0.25]["spynet.weight"], moved[1.0]["spynet.weight"], rtol=2e-3, atol=1e-7)
    np.testing.assert_allclose(moved[0.25]["body.weight"], 4 * moved[1.0]["body.weight"], rtol=2e-3, atol=1e-6)
    assert np.abs(moved[1.0]["body.weight"]).max() > 0


def test_the_outcome_tells_losses_rate_and_norm():
    outcome = stepper(rate=lambda step: 0.5 / (1 + step), make=sgd()).step([batch(1)], 4)
    assert set(outcome.losses) == {"loss_pix_stage2", "loss_pix", "loss"}
    parts = outcome.losses["loss_pix_stage2"].item() + outcome.losses["loss_pix"].item()
    assert outcome.losses["loss"].item() == pytest.approx(parts)
    assert outcome.rate == 0.125 and outcome.norm > 0 and outcome.finite


def test_the_schedule_counts_finished_steps_and_reaches_the_weights():
    moved = []
    for rate in (0.0, 1e-2):
        net = small_net()
        before = weights(net)
        stepper(net, rate=lambda step, rate=rate: rate if step == 6 else 1.0).step([batch(1)], 7)
        moved.append(not same(before, weights(net)))
    assert moved == [False, True]


def test_a_long_gradient_is_clipped_and_a_short_one_is_not():
    norms = {}
    for clip in (None, 1e-3, 1e3):
        net = small_net()
        before = weights(net)
        outcome = stepper(net, make=sgd(), rate=1.0, clip_norm=clip, fix_iter=1).step([batch(1)], 1)
        norms[clip] = np.sqrt(sum(((value - before[key]) ** 2).sum() for key, value in weights(net).items()))
        assert outcome.norm == pytest.approx(norms[None], rel=1e-4)  # that before clipping
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-3)
    assert norms[1e3] == norms[None] > 0.01


@pytest.mark.parametrize("where", ["input", "loss", "gradient"])
def test_a_step_that_is_not_finite_changes_nothing(where, monkeypatch):
    net = small_net()
    steps = stepper(net, ema_decay=0.9)
    take(steps, 1, 2)
    before, bits = steps.state(), weights(net)
    clip = batch(5, bad=where == "input")
    if where == "loss":  # infinite, with gradients of one
        object.__setattr__(steps.task, "criterion", lambda output, truth: output.mean() + math.inf)
    if where == "gradient":
        monkeypatch.setattr(module, "_norm", lambda gradients: paddle.to_tensor(math.inf))
    outcome = steps.step([clip], 3)
    assert not outcome.finite
    after = steps.state()
    assert same(bits, weights(net)) and after.step == 3
    assert same(before.weights, after.weights) and same(before.optimizer, after.optimizer)
    assert same(before.ema, after.ema)
    monkeypatch.undo()
    object.__setattr__(steps.task, "criterion", CharbonnierLoss())
    assert steps.step([batch(6)], 4).finite and not same(bits, weights(net))


def test_a_loss_that_is_not_finite_has_no_backward_pass_on_a_cpu(monkeypatch):
    """Paddle's deformable convolution would end the process there, without a word."""
    steps = stepper(small_net())
    monkeypatch.setattr(paddle.Tensor, "backward", lambda *_: pytest.fail("backward was called"))
    assert not steps.step([batch(5, bad=True)], 1).finite


def test_a_first_step_that_is_not_finite_leaves_no_moments():
    steps = stepper()
    assert not steps.step([batch(5, bad=True)], 1).finite
    assert steps.state().optimizer == {}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_micro_batches_are_one_batch(reduction):
    """The gradients are the same sums in another order: measured 2e-8, of weights that move by 9e-3."""
    results = []
    for size, accumulate in ((4, 1), (2, 2), (1, 4)):
        net = small_net()
        steps = stepper(net, make=momentum(), rate=RATES[reduction], reduction=reduction, accumulate=accumulate)
        take(steps, 1, 3, size=size, accumulate=accumulate)
        results.append(weights(net))
    for other in results[1:]:
        for key, value in results[0].items():
            np.testing.assert_allclose(other[key], value, rtol=0, atol=1e-7)


def test_a_sum_grows_with_the_batch_and_a_mean_does_not():
    norms = {
        (reduction, size): stepper(reduction=reduction).step([batch(*[1] * size)], 1).norm
        for reduction in ("mean", "sum")
        for size in (1, 3)
    }
    assert norms["mean", 3] == pytest.approx(norms["mean", 1], rel=1e-4)
    assert norms["sum", 3] == pytest.approx(3 * norms["sum", 1], rel=1e-4)


def test_a_wrong_number_of_micro_batches_is_refused():
    with pytest.raises(ValueError, match="takes 2 micro-batches, got 1"):
        stepper(accumulate=2).step([batch(1)], 1)


def test_nothing_is_held_between_steps():
    net = small_net()
    steps = stepper(net)
    outcome = take(steps, 1, 1)[0]
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(loss.stop_gradient for loss in outcome.losses.values())


def test_a_loss_scale_changes_no_result():
    """Powers of two pass through float32 exactly; only what is subnormal could differ."""
    plain, scaled = stepper(clip_norm=0.01), stepper(clip_norm=0.01)
    scaled._scale = LossScale(enabled=True)
    for one, other in zip(take(plain, 1, 3), take(scaled, 1, 3), strict=True):
        assert one.norm == pytest.approx(other.norm)
    one, other = plain.state(), scaled.state()
    for key, value in one.weights.items():
        np.testing.assert_allclose(other.weights[key], value, rtol=0, atol=1e-7)
    assert other.facts["scaler"] == {"value": 1024.0, "good": 3} and one.facts["scaler"] is None


def test_the_loss_scale_gives_way_to_overflows_and_comes_back():
    scale = LossScale(enabled=True)
    steps = stepper()
    steps._scale = scale
    steps.step([batch(1, bad=True)], 1)
    assert scale.value == 512
    for _ in range(2000):
        scale.update(True)
    assert scale.value == 1024
    for _ in range(20):
        scale.update(False)
    assert scale.value == 1
    other = LossScale(enabled=True)
    other.restore(scale.facts())
    assert other.facts() == scale.facts()


@pytest.mark.parametrize("amp", ["O1", "O2"])
def test_half_precision_on_a_cpu_is_refused(amp):
    with pytest.raises(ConfigError, match=f"--amp {amp}: half precision needs a GPU.*--device gpu"):
        stepper(amp=amp)


def test_averaged_weights_follow_slowly_and_can_be_borrowed():
    net = small_net()
    steps = stepper(net, ema_decay=0.75)
    start = weights(net)
    expected = start
    for step in range(1, 4):
        take(steps, step, step)
        expected = {key: 0.75 * value + 0.25 * weights(net)[key] for key, value in expected.items()}
    own = weights(net)
    for key, value in steps.weights().items():
        np.testing.assert_allclose(value, expected[key], rtol=0, atol=1e-6)
    with pytest.raises(KeyError), steps.averaged():
        assert same(weights(net), steps.weights())
        raise KeyError
    assert same(weights(net), own) and not same(own, steps.weights())


def test_without_averaging_the_last_weights_are_the_ones_to_use():
    net = small_net()
    steps = stepper(net)
    take(steps, 1, 1)
    with steps.averaged():
        assert same(weights(net), steps.weights())
    assert steps.state().ema is None


def test_a_preview_shows_the_first_frame_of_the_first_clip_and_disturbs_nothing():
    steps, undisturbed = stepper(ema_decay=0.9), stepper(ema_decay=0.9)
    clip = batch(1, 2)
    pictures = steps.preview(clip)
    assert {name: (p.shape, p.dtype) for name, p in pictures.items()} == {
        name: ((h, w, 3), np.dtype(np.uint8)) for name, h, w in (("lq", 6, 5), ("output", 12, 10), ("gt", 12, 10))
    }
    assert (pictures["lq"] == clip.lq.numpy()[0, 0].transpose(1, 2, 0)).all()
    assert (pictures["gt"] == clip.gt.numpy()[0, 0].transpose(1, 2, 0)).all()
    take(steps, 1, 2), take(undisturbed, 1, 2)
    assert same_state(steps.state(), undisturbed.state())


def test_every_step_seeds_itself(monkeypatch):
    runs = [stepper(seed=0), stepper(seed=1), stepper(seed=1)]
    seeds = []
    monkeypatch.setattr(module.paddle, "seed", seeds.append)
    take(runs[0], 5, 6), take(runs[1], 5, 6), take(runs[2], 6, 6)
    assert len(set(seeds[:4])) == 4 and seeds[4] == seeds[3]
