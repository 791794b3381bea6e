"""A network that can go on where it stopped gets every frame once, in every tile."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ppvsr.archs.basicvsr import BasicVSR
from ppvsr.enhance.engine import Enhancer
from ppvsr.enhance.plan import Limits
from ppvsr.evaluate.metrics import psnr
from ppvsr.system.paddle import use_device
from ppvsr.video.frames import Frame
from ppvsr.video.open import open_source
from ppvsr.weights.networks import load_network
from ppvsr.weights.zoo import find_variant
from tests.enhance.pictures import Repeater, enlarged, film, plan

DEMO = Path(__file__).parents[2] / "demo/bee_160x90.mp4"


@pytest.mark.parametrize("count", [*range(1, 16), 31])
@pytest.mark.parametrize(("window", "overlap"), [(3, 1), (5, 2), (6, 2), (10, 1)])
def test_every_frame_is_given_once_whatever_the_length(count, window, overlap):
    net, source = Repeater(), list(film(count, 8, 8))
    result = list(Enhancer(net, plan(8, 8, window=window, overlap=overlap, streaming=True))(source))
    assert [frame.time for frame in result] == [frame.time for frame in source]
    assert all(np.array_equal(big.image, enlarged(small.image)) for small, big in zip(source, result, strict=True))
    assert net.given == count
    assert [last for _, last, _ in net.calls] == [False] * (len(net.calls) - 1) + [True]
    assert all(given == window - overlap * (i > 0) for i, (given, _, _) in enumerate(net.calls[:-1]))


def test_every_tile_has_a_stream_of_its_own():
    net, source = Repeater(), list(film(9, 100, 170))
    tiled = plan(100, 170, window=5, overlap=1, tile=(80, 96), streaming=True)
    result = list(Enhancer(net, tiled)(source))
    assert all(np.array_equal(big.image, enlarged(small.image)) for small, big in zip(source, result, strict=True))
    assert net.given == 9 * tiled.count and {size for *_, size in net.calls} == {(80, 96)}


def test_every_call_is_a_stream_of_its_own():
    net = Repeater()
    enhance = Enhancer(net, plan(8, 8, window=5, overlap=2, streaming=True))
    source = list(film(6, 8, 8))
    first = enhance(iter(source))
    next(first)  # and then left alone
    again = [frame.image for frame in enhance(iter(source))]
    assert len(again) == 6
    assert all(np.array_equal(a, enlarged(frame.image)) for a, frame in zip(again, source, strict=True))


@pytest.fixture(scope="module")
def bee():
    use_device("cpu")
    with open_source(DEMO, frames=8) as source:
        return [Frame(np.ascontiguousarray(frame.image[10:74, 40:104]), frame.time) for frame in source]


@pytest.fixture(scope="module")
def small():
    use_device("cpu")
    variant = find_variant("PPMSVSRSmall")
    return load_network(variant, variant.pick())


def run(net, frames, window, overlap, *, streaming):
    height, width = frames[0].image.shape[:2]
    made = plan(height, width, window=window, overlap=overlap, limits=Limits(min_size=64), streaming=streaming)
    return [frame.image for frame in Enhancer(net, made, guard=False)(iter(frames))]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_a_film_of_one_block_is_what_the_network_makes_of_the_whole_clip(small, bee, count):
    whole = run(small, bee[:count], count, 0, streaming=False)
    assert all(np.array_equal(*pair) for pair in zip(run(small, bee[:count], 5, 2, streaming=True), whole, strict=True))


@pytest.mark.slow
def test_streams_are_no_worse_than_windows(small, bee):
    """The quality is the likeness to the whole clip, in windows so short that it shows."""
    whole = run(small, bee, len(bee), 0, streaming=False)

    def likeness(*, streaming):
        made = run(small, bee, 6, 2, streaming=streaming)
        return [min(psnr(a, b), 100.0) for a, b in zip(made, whole, strict=True)]

    streamed, windowed = likeness(streaming=True), likeness(streaming=False)
    assert np.mean(streamed) >= np.mean(windowed) > 50
    assert min(streamed) > 50


@pytest.mark.slow
def test_features_are_extracted_once_for_every_frame(bee, monkeypatch):
    net = BasicVSR(mid_channels=8, num_blocks=1)
    net.eval()
    flows, forward = [], []
    both_flows, propagate = net.spynet.both_flows, net.propagate
    monkeypatch.setattr(net.spynet, "both_flows", lambda *pair: flows.append(1) or both_flows(*pair), raising=False)
    monkeypatch.setattr(net, "propagate", lambda branch, *x: forward.append(branch) or propagate(branch, *x))
    run(net, bee, 5, 2, streaming=True)
    assert len(flows) == len(bee) - 1
    assert forward.count("forward") == len(bee)
    assert forward.count("backward") == len(bee) + 2  # the look-ahead of the first of two blocks (5, 3)


@pytest.mark.slow
def test_a_still_film_stays_the_same_for_long():
    """What a stream carries on does not pile up."""
    net = BasicVSR(mid_channels=8, num_blocks=1)
    net.eval()
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    frames = [Frame(image, Fraction(i)) for i in range(11)]
    sizes = []

    def extend(state, *args, **options):
        answer, state = BasicVSR.extend(net, state, *args, **options)
        sizes.append(sum(x.size for x in state.tensors()))
        return answer, state

    net.extend = extend
    assert len(run(net, frames, 4, 1, streaming=True)) == 11
    assert sizes[0] == sizes[1] == sizes[-2] > 0 == sizes[-1]
