"""Learning rates against PaddleGAN's values and against Paddle's own schedulers."""

import paddle
import pytest

from ppvsr.train.optimizers import CosineAnnealingRestartLR, LinearDecay, MultiStepDecay

GOLDEN_RESTARTS = [
    *(4e-4, 3.618129e-4, 2.618379e-4, 1.382621e-4, 3.828705e-5, 1e-7),
    *(1.951569e-4, 1.809565e-4, 1.588388e-4),
]


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 2e-4), (1, 1.9995068070855e-4), (50, 1.0005e-4), (99, 1.4931929e-7), (100, 1e-7)],
)
def test_one_period_equals_paddlegan(step, rate):
    schedule = CosineAnnealingRestartLR(2e-4, [100], eta_min=1e-7)
    assert schedule(step) == pytest.approx(rate, rel=1e-7)


def test_restarts_equal_paddlegan():
    schedule = CosineAnnealingRestartLR(4e-4, [5, 10], [1, 0.5], eta_min=1e-7)
    assert [schedule(step) for step in range(9)] == pytest.approx(GOLDEN_RESTARTS, rel=1e-6)
    assert schedule(15) == 1e-7


@pytest.mark.parametrize("step", [100, 101, 10**9])
def test_past_the_last_period_it_stays_at_the_bottom(step):
    assert CosineAnnealingRestartLR(2e-4, [60, 40], [1, 1], eta_min=1e-7)(step) == 1e-7


def test_epochs_are_periods_of_their_steps():
    by_epoch = CosineAnnealingRestartLR(2e-4, [2, 5], [1, 0.5], 1e-7, by_epoch=True, iters_per_epoch=8)
    by_step = CosineAnnealingRestartLR(2e-4, [16, 40], [1, 0.5], 1e-7, iters_per_epoch=8)
    assert [by_epoch(step) for step in range(60)] == pytest.approx([by_step(step) for step in range(60)], rel=1e-12)
    assert by_epoch(3) < by_epoch(2)  # within an epoch, too


def test_milestones_equal_paddles_own():
    ours = MultiStepDecay(0.1, [3, 5, 9], 0.5)
    theirs = paddle.optimizer.lr.MultiStepDecay(0.1, [3, 5, 9], 0.5)
    for step in range(12):
        assert ours(step) == pytest.approx(theirs.get_lr(), rel=1e-12)
        theirs.step()


def test_linear_decay_equals_paddlegans_rule():
    schedule = LinearDecay(1e-3, start_epoch=2, decay_epochs=3, iters_per_epoch=10)
    rates = [schedule(10 * epoch + 9) for epoch in range(8)]
    assert rates == pytest.approx([1e-3, 1e-3, 0.75e-3, 0.5e-3, 0.25e-3, 0, 0, 0])
    assert schedule(20) == schedule(29)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CosineAnnealingRestartLR(0, [5]), "learning_rate: expected numbers above 0, got 0"),
        (lambda: CosineAnnealingRestartLR(float("nan"), [5]), "learning_rate: expected numbers above 0, got nan"),
        (lambda: CosineAnnealingRestartLR(1, []), "periods: expected at least one number"),
        (lambda: CosineAnnealingRestartLR(1, [5, 0], [1, 1]), "periods: expected numbers above 0, got 0"),
        (lambda: CosineAnnealingRestartLR(1, [5], [-1]), "restart_weights: expected numbers above 0, got -1"),
        (lambda: CosineAnnealingRestartLR(1, [5, 5]), "restart_weights: expected one for each of the 2 periods, got 1"),
        (lambda: CosineAnnealingRestartLR(1, [5], eta_min=2), r"eta_min: expected 0 to learning_rate \(1\), got 2"),
        (lambda: CosineAnnealingRestartLR(1, [5], eta_min=-1), "eta_min: expected 0 to"),
        (lambda: CosineAnnealingRestartLR(1, [5], iters_per_epoch=0), "iters_per_epoch: expected numbers above 0"),
        (lambda: MultiStepDecay(-1, [5]), "learning_rate: expected numbers above 0"),
        (lambda: MultiStepDecay(1, []), "milestones: expected at least one number"),
        (lambda: MultiStepDecay(1, [5, 5]), r"milestones: expected steps in rising order, got \[5, 5\]"),
        (lambda: MultiStepDecay(1, [5], 1.5), "gamma: expected a number above 0 and up to 1, got 1.5"),
        (lambda: MultiStepDecay(1, [5], 0), "gamma: expected a number above 0"),
        (lambda: LinearDecay(0, 1, 1, 1), "learning_rate: expected numbers above 0"),
        (lambda: LinearDecay(1, -1, 1, 1), "start_epoch: expected 0 or more, got -1"),
        (lambda: LinearDecay(1, 0, 0, 1), "decay_epochs: expected numbers above 0"),
        (lambda: LinearDecay(1, 0, 1, 0), "iters_per_epoch: expected numbers above 0"),
    ],
)
def test_numbers_that_make_no_schedule_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
