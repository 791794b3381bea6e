"""Runners: clips in, enlarged frames out, one for one."""

import numpy as np
import paddle
import pytest

from ppvsr.compile import backend
from ppvsr.data.clips import ArrayFrames
from ppvsr.enhance import network
from ppvsr.enhance.network import Engine
from ppvsr.errors import UsageError
from ppvsr.evaluate.runners import as_it_is, mirrored_runner, network_runner
from ppvsr.evaluate.score import variant_runner


class Nearest(paddle.nn.Layer):
    """Repeats every pixel four times, adds what depends on a frame's place, and remembers what it was given."""

    scale, min_size, size_multiple = 4, 8, 4

    def __init__(self, slope=0.0):
        super().__init__()
        self.slope, self.seen = slope, []

    def forward(self, lq):
        self.seen.append((lq.shape[1], self.training))
        place = paddle.arange(lq.shape[1], dtype="float32").reshape([1, -1, 1, 1, 1])
        return lq * 0, (lq + self.slope * place / 255).repeat_interleave(4, 3).repeat_interleave(4, 4)


def clip(count, height=10, width=13, top=200):
    return ArrayFrames(np.random.default_rng(0).integers(0, top, (count, height, width, 3), dtype=np.uint8))


def big(frames):
    return frames.pixels.repeat(4, 1).repeat(4, 2)


@pytest.mark.parametrize(
    ("options", "windows"),
    [({}, [7]), ({"window": 7}, [7]), ({"window": 4, "overlap": 1}, [4, 4, 3]), ({"window": 1}, [1] * 7)],
)
def test_a_network_sees_whole_clips_or_windows_and_gives_every_frame_back(options, windows):
    net, frames = Nearest(), clip(7)
    images = list(network_runner(net, **options)(frames))
    assert np.array_equal(images, big(frames))
    assert [count for count, _ in net.seen] == windows


def test_a_network_is_in_evaluation_mode_only_while_it_runs():
    net = Nearest()
    net.train()
    stream = network_runner(net)(clip(2))
    next(stream)
    assert not net.training
    list(stream)
    assert net.training and net.seen == [(2, False)]
    net.eval()
    list(network_runner(net)(clip(2)))
    assert not net.training


def test_windows_that_cannot_be_are_refused_at_once():
    with pytest.raises(UsageError, match="windows of 4 frames cannot overlap by 2"):
        network_runner(Nearest(), window=4, overlap=2)


def test_the_mirrored_clip_is_one_pass_of_which_both_halves_are_averaged():
    net, frames = Nearest(slope=1), clip(7)
    images = list(mirrored_runner(net)(frames))
    assert [count for count, _ in net.seen] == [14]
    assert len(images) == 7
    # frame i is seen at places i and 13 - i, whatever i is: their mean is 6.5, rounded once and half to even
    expected = big(frames).astype(int) + 6 + big(frames) % 2
    difference = np.abs(np.array(images) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.5  # float32 cannot hold all halves exactly


def test_the_mean_of_both_copies_is_taken_before_it_is_clipped():
    class Bright(Nearest):
        def forward(self, lq):
            places = paddle.arange(lq.shape[1]).reshape([1, -1, 1, 1, 1])
            values = paddle.where(places < 2, 1.5, 0.25) + 0 * lq
            return (values.repeat_interleave(4, 3).repeat_interleave(4, 4),)

    assert np.unique(list(mirrored_runner(Bright())(clip(2)))) == [223]  # clipped first, it would be 159


def test_results_are_given_as_they_are():
    frames = clip(3)
    assert np.array_equal(list(as_it_is(frames)), frames.pixels)


@pytest.fixture
def loads(monkeypatch):
    """Let variants run Nearest, and list the networks that were given weights."""
    nets = []
    monkeypatch.setattr(network, "create_model", lambda name, **options: Nearest())
    monkeypatch.setattr(network, "fill", lambda net, weights: nets.append(net))
    return nets


def test_a_variant_runs_clips_of_several_sizes_with_its_weights_loaded_once(loads):
    lines = []
    runner = variant_runner("PPMSVSRSmall", window=3, overlap=1, device="cpu", say=lines.append)
    for height, width in ((16, 20), (20, 16), (16, 20)):
        frames = clip(4, height, width)
        assert np.array_equal(list(runner(frames)), big(frames))
    (net,) = loads
    assert [count for count, _ in net.seen] == 3 * [3, 3]
    assert [line.split(":")[0] for line in lines] == ["device", "plan", "plan"]


def test_whole_clips_are_one_window_each(loads):
    runner = variant_runner("PPMSVSRSmall", whole=True, device="cpu")
    for count in (1, 30, 2):
        assert len(list(runner(clip(count)))) == count
    assert [count for count, _ in loads[0].seen] == [1, 30, 2]


def test_weights_are_loaded_before_the_first_frame_is_asked_for(loads):
    variant_runner("PPMSVSRSmall", device="cpu")(clip(1))
    assert len(loads) == 1  # so that they do not count as the frame's time


@pytest.mark.parametrize(("engine", "used"), [({}, []), ({"engine": Engine("auto", 3)}, [("auto", 3)])])
def test_the_backend_is_the_one_that_is_asked_for(loads, monkeypatch, engine, used):
    asked = []
    monkeypatch.setattr(backend, "use_backend", lambda net, options, name, threads, say: asked.append((name, threads)))
    list(variant_runner("PPMSVSRSmall", device="cpu", **engine)(clip(1)))
    assert asked == used


def test_unknown_names_and_windows_are_refused_at_once():
    with pytest.raises(UsageError, match="did you mean PPMSVSR"):
        variant_runner("PPMSVS")
    with pytest.raises(UsageError, match="windows of 4 frames cannot overlap by 2"):
        variant_runner("PPMSVSR", window=4, overlap=2)
