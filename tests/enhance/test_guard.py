"""Frames that come out of a network unlike their source are found, made again or replaced, counted and told."""

import json
import warnings

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file, save_file

import ppvsr
from ppvsr.cli.enhance import main
from ppvsr.enhance.engine import Enhancer
from ppvsr.enhance.guard import LIMIT, departure
from ppvsr.resize import resize
from ppvsr.video.frames import AGAIN, BICUBIC, remark_on
from ppvsr.weights.zoo import find_variant
from tests.enhance.pictures import Held, Repeater, drifting_grain, enlarged, film, nearest, plan
from tests.films import make_film

SMALL = find_variant("PPMSVSRSmall")


@pytest.fixture(scope="module")
def grain():
    return [resize(image, 64, 64) for image in drifting_grain(14)]


def garbage(shape, level, seed=0):
    return np.random.default_rng(seed).normal(0, level, shape)


def test_bicubic_does_not_depart_and_noise_does(grain):
    source = grain[0]
    large = resize(source, 256, 256)
    assert departure(large, source) < 2
    noisy = np.clip(large + garbage(large.shape, 40), 0, 255).astype(np.uint8)
    assert departure(noisy, source) > LIMIT


def test_a_small_spot_is_seen(grain):
    large = resize(grain[0], 256, 256)
    large[128:144, 64:80] = 255 - large[128:144, 64:80]
    large[128:136, 64:80] //= 3
    assert departure(large, grain[0]) > LIMIT


def test_a_shift_of_colour_is_seen(grain):
    large = resize(grain[0], 256, 256)
    assert departure(np.clip(large.astype(int) + 30, 0, 255).astype(np.uint8), grain[0]) > LIMIT


def test_sixteen_bits_are_judged_as_eight(grain):
    large = np.clip(resize(grain[0], 256, 256) + garbage((256, 256, 3), 10), 0, 255).astype(np.uint8)
    deep = departure(large.astype(np.uint16) * 257, grain[0].astype(np.uint16) * 257)
    assert deep == pytest.approx(departure(large, grain[0]), rel=0.1)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 3), (7, 130)])
def test_any_size_is_judged(size):
    source = np.full((*size, 3), 90, np.uint8)
    assert departure(enlarged(source), source) == 0
    assert departure(255 - enlarged(source), source) > LIMIT


class Astray(Repeater):
    """Repeats pixels, until its state has seen `sound` frames; then noise is added that grows."""

    def __init__(self, sound):
        super().__init__()
        self.sound = sound

    def extend(self, state, frames, *, last, look_ahead):
        age = getattr(state, "age", 0)
        pictures, held = super().extend(state, frames, last=last, look_ahead=look_ahead)
        rng = paddle.to_tensor(np.random.default_rng(0).normal(0, 1, pictures[0].shape).astype("float32"))
        strayed = [p + rng * 0.3 * max(age + i - self.sound, 0) for i, p in enumerate(pictures)]
        held = Held(held.frames, held.newest)
        held.age = age + len(pictures)
        return strayed, held


def smooth(count, height, width):
    """Frames that leave no doubt: one soft ramp that moves."""
    for i, frame in enumerate(film(count, height, width)):
        ramp = np.linspace(20 + i, 200 + i, width)[None, :, None].repeat(height, 0).repeat(3, 2)
        yield type(frame)(ramp.astype(np.uint8), frame.time, frame.duration)


@pytest.mark.parametrize("tile", [None, (70, 72)])
def test_a_stream_that_goes_astray_begins_anew(tile):
    source = list(smooth(40, 70, 80))
    made = plan(70, 80, window=8, overlap=2, streaming=True, tile=tile)
    wrong = list(Enhancer(Astray(12), made, guard=False)(iter(source)))
    assert not np.array_equal(wrong[-1].image, enlarged(source[-1].image)) and wrong[-1].mended is None
    result = list(Enhancer(Astray(12), made)(iter(source)))
    assert [frame.time for frame in result] == [frame.time for frame in source]
    assert all(np.array_equal(big.image, enlarged(small.image)) for big, small in zip(result, source, strict=True))
    mended = [frame.mended for frame in result]
    assert mended[:12] == [None] * 12 and AGAIN in mended and BICUBIC not in mended


def test_a_network_without_streams_gets_shorter_windows():
    def astray(lq):
        extra = 0.4 * (lq.shape[1] > 4)
        return (nearest(lq)[0] * (1 - extra),)

    source = list(smooth(13, 20, 24))
    result = list(Enhancer(astray, plan(20, 24, window=8, overlap=2))(iter(source)))
    assert all(np.array_equal(big.image, enlarged(small.image)) for big, small in zip(result, source, strict=True))
    assert {frame.mended for frame in result} == {AGAIN}


@pytest.mark.parametrize("streaming", [True, False])
def test_bicubic_stands_in_when_nothing_helps(streaming):
    source = list(smooth(9, 20, 24))
    net = Astray(-5) if streaming else lambda lq: (nearest(lq)[0] * 0.4,)
    result = list(Enhancer(net, plan(20, 24, window=6, overlap=2, streaming=streaming))(iter(source)))
    assert all(
        np.array_equal(big.image, resize(small.image, 80, 96)) for big, small in zip(result, source, strict=True)
    )
    assert [frame.mended for frame in result] == [BICUBIC] * 9


def test_the_line_counts_both_kinds():
    assert remark_on({None: 30}, 30) is None
    line = remark_on({None: 25, AGAIN: 3, BICUBIC: 2}, 30)
    assert line.startswith("5 of 30 frames") and "3 were computed again" in line and "stands in for 2" in line


@pytest.fixture(scope="module")
def wrong_weights(tmp_path_factory):
    """The bundled weights of the small network, with noise in every number: a file that loads and is worth nothing."""
    from ppvsr.weights.download import BUNDLED

    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("weights") / "wrong.safetensors"
    arrays = load_file(BUNDLED / SMALL.weights[0].file)
    save_file({k: (v + 2 * v.std() * rng.normal(size=v.shape)).astype(np.float32) for k, v in arrays.items()}, path)
    return path


@pytest.mark.parametrize("quiet", [[], ["--quiet"], ["--json"]])
def test_wrong_weights_are_told_whoever_listens(tmp_path, capsys, wrong_weights, quiet):
    make_film(tmp_path / "a.mkv", 4, height=64, width=64)
    where = ["--input", str(tmp_path / "a.mkv"), "--output", str(tmp_path / "out"), "--backend", "dygraph"]
    network = ["--process_order", SMALL.name, "--weights", str(wrong_weights)]
    assert main([*where, *network, *quiet]) == 0
    out, err = capsys.readouterr()
    assert "bicubic stands in for 4" in err
    if quiet == ["--json"]:
        (done,) = [event for event in map(json.loads, out.splitlines()) if event["event"] == "done"]
        assert done["computed_again"] == 0 and done["bicubic"] == 4


def test_frames_in_memory_warn(grain, wrong_weights):
    with pytest.warns(UserWarning, match="bicubic stands in for 3"):
        list(ppvsr.enhance_frames(grain[:3], SMALL.name, wrong_weights, backend="dygraph"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(ppvsr.enhance_frames(grain[:3], SMALL.name, backend="dygraph"))) == 3


BUNDLED_ROWS = [("PPMSVSR", "bi"), ("PPMSVSR", "real"), ("PPMSVSRSmall", "bi")]


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "weights"), BUNDLED_ROWS)
def test_no_frame_of_drifting_grain_is_under_bicubic(variant, weights, grain):
    """The search found this video: weights that were trained on seven frames diverged on it, by up to 15 dB."""
    from ppvsr.evaluate.metrics import psnr

    truth = drifting_grain(len(grain))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the guard must not have been needed
        results = list(ppvsr.enhance_frames(grain, variant, weights))
    gains = [psnr(a, c) - psnr(resize(b, 256, 256), c) for a, b, c in zip(results, grain, truth, strict=True)]
    assert min(gains) > -0.05


def test_windows_are_no_longer_than_the_weights_are_stable():
    from ppvsr.enhance.network import Cut

    variant = find_variant("PPMSVSR")
    rows = {row.name: row for row in variant.weights}
    assert Cut().window_of(variant, rows["bi"]) == (20, 5)
    assert Cut().window_of(variant, rows["real"]) == (8, 2)
    assert Cut(num_frames=20).window_of(variant, rows["real"]) == (20, 5)  # who asks for it gets it
