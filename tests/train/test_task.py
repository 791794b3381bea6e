from types import SimpleNamespace

import numpy as np
import paddle
import pytest

from ppvsr.archs.basicvsr import IconVSR
from ppvsr.errors import ConfigError
from ppvsr.train.losses import CharbonnierLoss, MSELoss, state_growth
from ppvsr.train.optimizers import adam, adamw, momentum, rmsprop, sgd
from ppvsr.train.step import Stepper
from ppvsr.train.task import FlowPolicy, basic_vsr, multi_stage_vsr
from tests.archs.nets import clip as random_clip
from tests.archs.nets import tiny
from tests.train.nets import SmallNet, batch, small_net


def resting(net):
    return {name.partition(".")[0] for name, p in net.named_parameters() if p.stop_gradient}


def multipliers(net):
    return {name.partition(".")[0]: p.optimize_attr["learning_rate"] for name, p in net.named_parameters()}


def test_a_loss_on_both_outputs_of_the_multi_stage_network():
    net, clip = small_net(), batch(1)
    losses = multi_stage_vsr(generator=net, pixel_criterion=MSELoss()).losses(clip.lq, clip.gt, 1)
    outputs, truth = net(clip.lq.astype("float32") / 255), clip.gt.numpy() / np.float32(255)
    assert list(losses) == ["loss_pix_stage2", "loss_pix"]
    for loss, output in zip(losses.values(), outputs, strict=True):
        assert loss.item() == pytest.approx(((output.numpy() - truth) ** 2).mean(), rel=1e-5)


def test_a_loss_on_the_last_output_of_others():
    net, clip = small_net(), batch(1)
    one = basic_vsr(generator=net, pixel_criterion=MSELoss()).losses(clip.lq, clip.gt, 1)
    two = multi_stage_vsr(generator=net, pixel_criterion=MSELoss()).losses(clip.lq, clip.gt, 1)
    assert list(one) == ["loss_pixel"] and one["loss_pixel"].item() == two["loss_pix"].item()


def test_without_an_auxiliary_output_there_is_one_loss():
    class Single(SmallNet):
        def forward(self, lq):
            return super().forward(lq)[-1:]

    clip = batch(1)
    losses = multi_stage_vsr(generator=Single(), pixel_criterion=MSELoss()).losses(clip.lq, clip.gt, 1)
    assert list(losses) == ["loss_pix"]


def test_floats_are_left_as_they_are():
    task, clip = multi_stage_vsr(generator=small_net(), pixel_criterion=MSELoss()), batch(1)
    floats = task.losses(clip.lq.astype("float32") / 255, clip.gt.astype("float32") / 255, 1)
    assert floats["loss_pix"].item() == pytest.approx(task.losses(clip.lq, clip.gt, 1)["loss_pix"].item(), rel=1e-6)


@pytest.mark.parametrize("fix_iter", [0, False, -1])
def test_without_frozen_steps_nothing_rests_and_the_multiplier_holds(fix_iter):
    net = small_net()
    multi_stage_vsr(generator=net, pixel_criterion=MSELoss(), fix_iter=fix_iter).policy.apply(net, 1)
    assert resting(net) == set() and multipliers(net) == {"spynet": 0.25, "body": 1.0, "tail": 1.0}


def test_another_multiplier_can_be_given_and_a_negative_one_not():
    net = small_net()
    multi_stage_vsr(generator=net, pixel_criterion=MSELoss(), lr_mult=0.1).policy.apply(net, 1)
    assert multipliers(net) == {"spynet": 0.1, "body": 1.0, "tail": 1.0}
    for make in (multi_stage_vsr, basic_vsr):
        with pytest.raises(ConfigError, match=r"model.lr_mult: expected 0 or more, got -1"):
            make(generator=net, pixel_criterion=MSELoss(), lr_mult=-1)


def test_the_flow_network_rests_for_the_given_steps_whatever_came_before():
    net = small_net()
    policy = multi_stage_vsr(generator=net, pixel_criterion=MSELoss(), fix_iter=2).policy
    for step in (3, 1, 2, 2, 4, 1):
        policy.apply(net, step)
        assert resting(net) == ({"spynet"} if step <= 2 else set())


def test_edvr_rests_too_but_learns_at_the_full_rate():
    net = IconVSR(mid_channels=8, num_blocks=1, padding=1)
    task = basic_vsr(generator=net, pixel_criterion=MSELoss(), fix_iter=5, lr_mult=0.125)
    task.policy.apply(net, 5)
    assert resting(net) == {"spynet", "edvr"}
    assert {name for name, rate in multipliers(net).items() if rate != 1} == {"spynet"}
    assert multipliers(net)["spynet"] == 0.125
    task.policy.apply(net, 6)
    assert resting(net) == set()


def test_a_name_that_only_begins_like_a_part_does_not_rest():
    net = paddle.nn.LayerDict({"spynet": paddle.nn.Linear(1, 1), "spynet2": paddle.nn.Linear(1, 1)})
    FlowPolicy(frozen_steps=1).apply(net, 1)
    assert resting(net) == {"spynet"}


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ({"to_static": True}, "model.to_static: only false"),
        ({"fix_iter": True}, "model.fix_iter: true says not for how"),
    ],
)
def test_options_that_cannot_be_had_are_refused(option, match):
    with pytest.raises(ConfigError, match=match):
        multi_stage_vsr(generator=small_net(), pixel_criterion=MSELoss(), **option)


@pytest.mark.parametrize("make", [adam, adamw, sgd, momentum, rmsprop])
def test_an_optimizer_for_another_network_is_refused(make):
    with pytest.raises(ConfigError, match=r"optimizer.net_names: .* got \['discriminator'\]"):
        make(net_names=["discriminator"])
    assert callable(make(net_names=["generator"]))


@pytest.mark.slow
def test_pp_msvsr_learns_a_clip_by_heart_frozen_and_free():
    """Without the guard of the warps the process would die: Paddle crashes in the backward pass of frozen inputs."""
    net = tiny("MSVSR")
    paddle.seed(0)
    task = multi_stage_vsr(generator=net, pixel_criterion=CharbonnierLoss(reduction="mean"), fix_iter=1)
    steps = Stepper(task, adam(), lambda step: 5e-3)
    gt = paddle.nn.functional.interpolate(paddle.rand([2, 3, 32, 32]), scale_factor=8, mode="bicubic").clip(0, 1)
    clip = SimpleNamespace(lq=paddle.nn.functional.avg_pool2d(gt, 4).unsqueeze(0), gt=gt.unsqueeze(0), part=None)
    flow, losses = [], []
    for step in range(1, 5):
        flow.append(net.state_dict()["spynet.levels.0.0.conv.weight"].numpy().copy())
        losses.append(steps.step([clip], step).losses["loss_pix"].item())
    assert losses[-1] < 0.75 * losses[0]
    assert (flow[0] == flow[1]).all() and (flow[1] != flow[2]).any()


def recurrent():
    net = tiny("MSVSR")
    net.train()
    net.min_size = 16  # frames of 64x64 would make these tests slow
    return net


def test_the_loss_is_that_of_the_part_and_the_frames_around_it_matter():
    net, gt = recurrent(), random_clip(1, 5, 64, 64, seed=1)
    lq = random_clip(1, 5, 16, 16)
    task = multi_stage_vsr(generator=net, pixel_criterion=MSELoss())
    with paddle.no_grad():
        found = task.losses(lq, gt, 1, range(2, 4))
        outputs = net(lq)
        short = task.losses(lq[:, 2:4], gt[:, 2:4], 1)
    for loss, output in zip(found.values(), outputs, strict=True):
        assert loss.item() == pytest.approx(float((output[:, 2:4] - gt[:, 2:4]).square().mean()), rel=1e-4)
    assert found.keys() == short.keys() and found["loss_pix"].item() != pytest.approx(
        short["loss_pix"].item(), rel=1e-4
    )


def test_a_step_without_a_part_is_the_step_as_ever():
    """A part that is all frames takes another way through the network and comes to the same weights, bit for bit."""
    found = []
    for part in (None, range(2)):
        net = recurrent()
        steps = Stepper(multi_stage_vsr(generator=net, pixel_criterion=MSELoss()), adam(), lambda step: 1e-3)
        lq, gt = random_clip(1, 2, 16, 16), random_clip(1, 2, 64, 64)
        steps.step([SimpleNamespace(lq=lq, gt=gt, part=part)], 1)
        found.append({name: value.numpy() for name, value in net.state_dict().items()})
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_growth_is_the_logarithm_of_the_ratio_of_last_and_first():
    first = paddle.full([2, 3, 4, 4], 0.5)
    last = paddle.concat([2 * first[:1], first[1:]])
    assert state_growth([first, last]).item() == pytest.approx(np.log(2) / 2, rel=1e-5)  # a mean over the batch
    assert state_growth([last, first]).item() == 0  # who shrinks is not rewarded
    assert state_growth([first]).item() == 0
    assert np.isfinite(state_growth([paddle.zeros([1, 1, 2, 2]), first[:1, :1]]).item())


def test_the_penalty_on_growth_has_a_name_of_its_own_and_a_gradient():
    net, lq, gt = recurrent(), random_clip(1, 4, 16, 16), random_clip(1, 4, 64, 64)
    plain = multi_stage_vsr(generator=net, pixel_criterion=MSELoss())
    weighted = multi_stage_vsr(generator=net, pixel_criterion=MSELoss(), growth_weight=0.5)
    losses = weighted.losses(lq, gt, 1)
    assert list(losses) == ["loss_pix_stage2", "loss_pix", "loss_growth"]
    for name, value in plain.losses(lq, gt, 1).items():
        assert value.item() == losses[name].item()
    _, states = net.learn(lq, range(4))
    assert len(states) == 4
    expected = 0.5 * np.mean([state_growth(each).item() for each in states.values()])
    assert losses["loss_growth"].item() == pytest.approx(expected, rel=1e-5) and expected > 0
    losses["loss_growth"].backward()
    assert float(net.backbone["stage2_forward"].parameters()[0].grad.abs().max()) > 0


@pytest.mark.slow
def test_steps_with_the_penalty_make_states_grow_less():
    def grown(weight):
        net = recurrent()
        task = multi_stage_vsr(generator=net, pixel_criterion=MSELoss(), growth_weight=weight)
        steps = Stepper(task, adam(), lambda step: 1e-3)
        lq, gt = random_clip(1, 4, 16, 16), random_clip(1, 4, 64, 64)
        for step in range(1, 7):
            steps.step([SimpleNamespace(lq=lq, gt=gt, part=None)], step)
        with paddle.no_grad():
            _, states = net.learn(lq, range(4))
            return sum(state_growth(each).item() for each in states.values())

    assert grown(3.0) < 0.8 * grown(0.0)


@pytest.mark.parametrize("make", [multi_stage_vsr, basic_vsr])
def test_a_penalty_that_cannot_be_is_refused(make):
    with pytest.raises(ConfigError, match="growth_weight: SmallNet has no states that could grow"):
        make(generator=small_net(), pixel_criterion=MSELoss(), growth_weight=0.1)
    with pytest.raises(ConfigError, match="growth_weight: expected 0 or more, got nan"):
        make(generator=recurrent(), pixel_criterion=MSELoss(), growth_weight=float("nan"))
