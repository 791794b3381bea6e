"""Losses against plain numpy; in float32 whatever surrounds them."""

import numpy as np
import paddle
import pytest

from ppvsr.train.losses import CharbonnierLoss, L1Loss, MSELoss, RootMeanSquareLoss

RNG = np.random.default_rng(0)
A, B = (RNG.random((2, 3, 3, 4, 4)).astype("float32") for _ in range(2))
D = (A - B).astype("float64")
GRAY = 0.299 * D[:, :, 0] + 0.587 * D[:, :, 1] + 0.114 * D[:, :, 2]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (CharbonnierLoss(), np.sqrt(D**2 + 1e-12).sum()),
        (CharbonnierLoss(reduction="mean"), np.sqrt(D**2 + 1e-12).mean()),
        (CharbonnierLoss(eps=0.01, reduction="mean"), np.sqrt(D**2 + 0.01).mean()),
        (L1Loss(), np.abs(D).mean()),
        (L1Loss(reduction="sum", loss_weight=0.5), 0.5 * np.abs(D).sum()),
        (MSELoss(), (D**2).mean()),
        (MSELoss(reduction="sum", loss_weight=3), 3 * (D**2).sum()),
        (RootMeanSquareLoss(luma=0), np.sqrt((D**2).mean((1, 2, 3, 4)) + 1e-6).mean()),
        (RootMeanSquareLoss(luma=1, eps=0.1), np.sqrt((GRAY**2).mean((1, 2, 3)) + 0.1).mean()),
        (
            RootMeanSquareLoss(),
            np.sqrt(0.7 * (GRAY**2).mean((1, 2, 3)) + 0.3 * (D**2).mean((1, 2, 3, 4)) + 1e-6).mean(),
        ),
    ],
)
def test_values(loss, expected):
    found = loss(paddle.to_tensor(A), paddle.to_tensor(B))
    assert found.shape == []
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_values_of_the_other_toolkits():
    zeros, ones = paddle.zeros([1, 3, 8, 8]), paddle.full([1, 3, 8, 8], 2.0)
    assert float(CharbonnierLoss(eps=1e-12, reduction="mean")(zeros, ones)) == pytest.approx(2.0)
    assert float(CharbonnierLoss(eps=1e-12)(zeros, ones)) == pytest.approx(2.0 * 192)


def test_equal_pictures_have_a_small_loss_and_a_finite_gradient():
    output = paddle.to_tensor(A, stop_gradient=False)
    loss = CharbonnierLoss(reduction="mean")(output, paddle.to_tensor(A))
    loss.backward()
    assert float(loss) == pytest.approx(1e-6, rel=1e-3)
    assert float(output.grad.abs().max()) == 0


@pytest.mark.parametrize("loss", [CharbonnierLoss(reduction="mean"), L1Loss(), MSELoss(), RootMeanSquareLoss()])
@pytest.mark.parametrize("level", ["O1", "O2"])
def test_mixed_precision_does_not_reach_the_loss(loss, level):
    output = paddle.to_tensor(A, stop_gradient=False)
    with paddle.amp.auto_cast(level=level, dtype="bfloat16"):
        half = output.astype("bfloat16")
        found = loss(half, paddle.to_tensor(B))
    found.backward()
    rounded = half.detach().astype("float32")
    assert found.dtype == paddle.float32
    assert float(found) == float(loss(rounded, paddle.to_tensor(B)))
    assert np.isfinite(output.grad.numpy()).all()


def test_half_precision_of_equal_pictures_has_a_finite_gradient():
    output = paddle.to_tensor(A, stop_gradient=False)
    CharbonnierLoss(reduction="mean")(output.astype("float16"), output.detach().astype("float16")).backward()
    assert np.isfinite(output.grad.numpy()).all()


@pytest.mark.parametrize("loss", [CharbonnierLoss(), L1Loss(), MSELoss(), RootMeanSquareLoss()])
def test_shapes_must_be_equal(loss):
    with pytest.raises(ValueError, match=r"the output is \(1, 3, 8, 8\), its ground truth \(1, 1, 8, 8\); is `scale`"):
        loss(paddle.zeros([1, 3, 8, 8]), paddle.zeros([1, 1, 8, 8]))


@pytest.mark.parametrize("loss", [CharbonnierLoss, L1Loss, MSELoss])
def test_reductions_are_two(loss):
    with pytest.raises(ValueError, match="reduction: expected 'mean' or 'sum', got 'none'"):
        loss(reduction="none")


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        (CharbonnierLoss, {"eps": 0}),
        (CharbonnierLoss, {"eps": float("nan")}),
        (L1Loss, {"loss_weight": -1}),
        (MSELoss, {"loss_weight": float("inf")}),
        (RootMeanSquareLoss, {"eps": 0}),
    ],
)
def test_numbers_are_positive(loss, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected a number above 0, got"):
        loss(**options)


@pytest.mark.parametrize("luma", [-0.1, 1.1, float("nan")])
def test_the_share_of_luma_is_a_share(luma):
    with pytest.raises(ValueError, match=r"luma: expected a share in 0\.\.1, got"):
        RootMeanSquareLoss(luma=luma)


def test_the_root_of_equal_pictures_has_a_finite_gradient():
    output = paddle.to_tensor(A, stop_gradient=False)
    RootMeanSquareLoss()(output, paddle.to_tensor(A)).backward()
    assert float(output.grad.abs().max()) == 0
