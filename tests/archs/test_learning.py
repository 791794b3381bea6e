"""Clips of which a part is learned from, while the frames around it only bring states."""

from collections import Counter

import numpy as np
import paddle
import pytest
from paddle.base import core

from ppvsr.ops.deform import use_native
from ppvsr.ops.native import load
from tests.archs.nets import TINY, answering, clip, tiny

FRAMES, PART = 7, range(2, 5)
BRANCHES = {
    "MSVSR": ["stage2_backward", "stage2_forward", "stage3_backward", "stage3_forward"],
    "BasicVSRNet": ["backward", "forward"],
    "IconVSR": ["backward", "forward"],
    "BasicVSRPlusPlus": ["backward_1", "forward_1", "backward_2", "forward_2"],
}

pytestmark = pytest.mark.slow


def make(name, **options):
    net = tiny(name, **options)
    net.train()
    net.min_size = 16  # frames of 64x64 would make these tests slow
    return net


@pytest.fixture(params=sorted(TINY))
def name(request):
    return request.param


def film(count=FRAMES, seed=0):
    return clip(1, count, 16, 24, seed=seed)


def gradients(net, outputs):
    """Return the gradients of a loss on all outputs, by name."""
    sum((output - 0.3).square().sum() for output in outputs).backward()
    found = {name: p.grad.numpy().copy() for name, p in net.named_parameters() if p.grad is not None}
    net.clear_gradients()
    return found


def assert_close(found, expected, tolerance=2e-5):
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        bound = tolerance * max(np.abs(gradient).max(), 1e-6)
        np.testing.assert_allclose(found[key], gradient, rtol=0, atol=bound, err_msg=key)


def owner(net, key, number, count):
    """Return the frame that a call of a step in a clip of `count` frames is for, by the number of the call."""
    if "backward" in key:
        return count - 1 - number
    if key == "local_align":  # of each pair of frames, first onto the earlier one
        return (number + 1) // 2
    if key == "compose":  # from the third frame on: the flow to it over two steps, and the one from it
        return number // 2 + (2 if number % 2 else 0)
    if key == "edvr.forward":
        return net.keyframes(count)[number]
    return number


def detached_outside(net, lq, part):
    """Run a whole clip, with all that belongs to frames outside of the part cut off by hand; return its outputs."""
    count, calls = lq.shape[1], Counter()

    def cut(values, learned):
        if isinstance(values, tuple):
            return tuple(cut(each, learned) for each in values)
        return values if learned else values.detach()

    def answer(call, key, number, work):
        if call[0] in ("align", "refill"):  # nothing but `propagate` reads what they make
            return work()
        calls[key] += 1
        return cut(work(), owner(net, key, calls[key] - 1, count) in part)

    own = net.spynet.clip_flows

    def clip_flows(lq, _=None):
        to_next, to_previous = own(lq)
        return (
            [cut(flow, i in part) for i, flow in enumerate(to_next)],
            [cut(flow, i in part) for i, flow in enumerate(to_previous, start=1)],
        )

    with answering(net, answer), pytest.MonkeyPatch.context() as patch:
        patch.setattr(net.spynet, "clip_flows", clip_flows)
        return [output[:, part.start : part.stop] for output in net(lq)]


def test_pictures_are_those_of_the_whole_clip(name):
    net, lq = make(name), film()
    with paddle.no_grad():
        whole = net(lq)
        outputs, states = net.learn(lq, PART)
    assert len(outputs) == len(whole)
    for output, other in zip(outputs, whole, strict=True):
        np.testing.assert_allclose(output.numpy(), other[:, PART.start : PART.stop].numpy(), rtol=0, atol=2e-5)
    assert sorted(states) == sorted(BRANCHES[name])
    assert all(len(each) == len(PART) for each in states.values())


def test_all_frames_are_the_clip_as_ever(name):
    net, lq = make(name), film(3)
    expected = net(lq)
    outputs, _ = net.learn(lq, range(3))
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(outputs, expected, strict=True))
    assert_close(gradients(net, outputs), gradients(net, expected), tolerance=0)


@pytest.mark.parametrize("part", [PART, range(3), range(4, 7), range(3, 4)], ids=str)
def test_gradients_are_those_of_states_that_were_cut_off(name, part):
    net, lq = make(name), film()
    expected = gradients(net, detached_outside(net, lq, part))
    outputs, _ = net.learn(lq, part)
    found = gradients(net, outputs)
    assert_close(found, expected)
    whole = gradients(net, [output[:, part.start : part.stop] for output in net(lq)])
    assert any(np.abs(whole[key] - found[key]).max() > 1e-3 * np.abs(whole[key]).max() for key in found)


def test_frames_outside_have_no_gradient_and_an_effect(name):
    """What goes in at frames outside changes the pictures, but nothing flows back to it."""
    net, lq = make(name), film()
    lq.stop_gradient = False
    outputs, _ = net.learn(lq, range(3, 4))
    sum(output.sum() for output in outputs).backward()
    flowing = [bool(lq.grad[:, i].abs().max() > 0) for i in range(FRAMES)]
    assert flowing[3] and not any(flowing[:2]) and not any(flowing[5:])  # neighbours: flows lead from 3 to them
    for far in (0, FRAMES - 1):
        other = film()
        other[:, far] = 0.0
        with paddle.no_grad():
            assert float((net.learn(other, range(3, 4))[0][-1] - outputs[-1]).abs().max()) > 0


def test_states_are_in_the_order_of_their_branch():
    net, lq = make("MSVSR"), film()
    with paddle.no_grad():
        states, early = net.learn(lq, PART)[1], net.learn(lq, range(PART.start, PART.start + 1))[1]
    for branch, found in early.items():
        np.testing.assert_allclose(found[0], states[branch][-1 if "backward" in branch else 0], rtol=0, atol=1e-5)


def test_memory_does_not_grow_with_the_frames_around():
    def taken(count, part):
        net, lq = make("MSVSR"), film(count)
        before = core.host_memory_stat_current_value("Allocated", 0)
        outputs, _ = net.learn(lq, part)
        found = core.host_memory_stat_current_value("Allocated", 0) - before
        gradients(net, outputs)
        return found

    short, long, learned = taken(3, range(3)), taken(23, range(10, 13)), taken(23, range(23))
    assert long - short < 0.12 * (learned - short)  # features and states alone, as without any gradient


def test_own_operators_learn_the_same():
    if reason := load():
        pytest.skip(reason)
    lq, found = film(), []
    for native in (False, True):
        net = make("MSVSR")
        if native:
            assert use_native(net, learning=True) is None
        found.append(gradients(net, net.learn(lq, PART)[0]))
    assert_close(found[1], found[0], tolerance=5e-3)


@pytest.mark.parametrize("part", [range(3, 3), range(-1, 2), range(5, 8), range(0, 4, 2)], ids=str)
def test_no_part_of_the_clip_is_refused(name, part):
    with pytest.raises(ValueError, match="are no part of a clip of 7"):
        make(name).learn(film(), part)
