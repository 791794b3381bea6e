import paddle
import pytest

from ppvsr.compile.steps import record, replace_steps, restore_steps
from tests.archs.nets import TINY, clip, tiny


def keys(net, *clips):
    return record(net, clips)[1].keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_short_clips_make_every_call_that_long_ones_make(name):
    net = tiny(name)
    net.eval()
    assert keys(net, clip(1, 3, 64, 64)) == keys(net, clip(1, 3, 64, 64), clip(1, 5, 64, 64))
    assert {key[0] for key in keys(net, clip(1, 3, 64, 64))} == set(net.steps)


def test_recording_leaves_a_network_as_it_was():
    net = tiny("BasicVSRNet")
    net.eval()
    before = net(clip(1, 2, 64, 64))[0]
    (answer,), examples = record(net, [clip(1, 2, 64, 64)])
    assert bool((answer == before).all()) and bool((net(clip(1, 2, 64, 64))[0] == before).all())
    assert "propagate" not in vars(net)
    example = examples["propagate", "backward"]
    assert bool((example.step(*example.words, *example.inputs) == example.answer[0]).all())


@pytest.mark.slow
def test_programs_take_the_place_of_the_calls_they_are_for():
    net = tiny("BasicVSRNet")
    net.eval()
    made = []

    def program(inputs):
        made.append([tuple(x.shape) for x in inputs])
        return [paddle.zeros_like(inputs[0])]

    before = net(clip(1, 3, 64, 64))[0]
    replace_steps(net, {("propagate", "forward"): (program, False)})
    assert not bool((net(clip(1, 3, 64, 64))[0] == before).all())
    assert made == 3 * [[(1, 4, 64, 64), (1, 3, 64, 64)]]
    net.train()
    net(clip(1, 3, 64, 64))
    assert len(made) == 3, "training has gradients, programs have none"
    net.eval()
    restore_steps(net)
    assert bool((net(clip(1, 3, 64, 64))[0] == before).all())
