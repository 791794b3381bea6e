"""Losses of quality: what they do, what is drawn once, and that a window equals the whole picture."""

import av
import cv2
import numpy as np
import pytest

from ppvsr.config.build import build
from ppvsr.data.clips import ArrayFrames
from ppvsr.data.degrade import BD, BI, H264, JPEG, Blur, Degradation, DegradedFrames, Noise, Resize
from ppvsr.data.effects import gaussian, h264, to_bytes
from ppvsr.errors import ConfigError, DataError
from ppvsr.resize import resize
from tests.films import pictures

OPERATIONS = {each.__name__: each for each in (Blur, Resize, Noise, JPEG, H264, BI, BD)}
DRAWN = [Blur(), Resize(), Noise(), JPEG(), H264()]
NAMES = [type(each).__name__ for each in DRAWN]


def rng(seed=0):
    return np.random.default_rng(seed)


def noise(count=3, height=48, width=64, seed=0):
    return rng(seed).integers(0, 256, (count, height, width, 3)).astype(np.uint8)


def apply(operation, frames, seed=0):
    return operation.draw(rng(seed))(frames, rng(seed + 1))


def lazy(frames, *operations, scale=4, seed=0, group=None):
    degradation = Degradation(operations, scale)
    return DegradedFrames(ArrayFrames(frames), degradation.draw(rng(seed)), scale, degradation.margin, (seed,), group)


@pytest.mark.parametrize("operation", DRAWN, ids=NAMES)
def test_the_generator_decides_everything(operation):
    frames = np.stack(list(pictures(3, 48, 64)))
    first, again = apply(operation, frames), apply(operation, frames)
    assert first.dtype in (np.uint8, np.float32)
    assert len(first) == 3
    assert np.array_equal(first, again)
    others = [apply(operation, frames, seed) for seed in range(2, 8)]
    assert any(other.shape != first.shape or not np.array_equal(other, first) for other in others)


@pytest.mark.parametrize("operation", [Blur(), Resize(), JPEG()], ids=["Blur", "Resize", "JPEG"])
def test_parameters_are_drawn_once_for_a_clip(operation):
    result = apply(operation, np.repeat(noise(1), 4, axis=0))
    assert all(np.array_equal(result[0], frame) for frame in result)


def test_noise_is_new_in_every_frame_and_equally_strong():
    result = apply(Noise(gaussian=[1, 20]), np.full((8, 40, 40, 3), 128, np.uint8)) - 128
    assert not np.array_equal(result[0], result[1])
    spread = result.std(axis=(1, 2, 3))
    assert spread.max() / spread.min() < 1.1


def test_noise_has_the_strength_that_was_asked_for():
    assert apply(Noise(gaussian=5), np.full((4, 64, 64, 3), 128, np.uint8)).std() == pytest.approx(5, rel=0.05)
    dark, bright = np.full((4, 64, 64, 3), 16, np.uint8), np.full((4, 64, 64, 3), 200, np.uint8)
    shot = Noise(gaussian=0, poisson=4)
    assert apply(shot, dark).std() == pytest.approx(4 * (16 / 255) ** 0.5, rel=0.1)
    assert apply(shot, bright).std() == pytest.approx(4 * (200 / 255) ** 0.5, rel=0.1)


def test_gray_noise_is_the_same_in_all_channels():
    result = apply(Noise(gaussian=5, gray_prob=1), np.full((2, 8, 8, 3), 128, np.uint8))
    assert result.std() > 1
    assert np.array_equal(result[..., 0], result[..., 1])
    coloured = apply(Noise(gaussian=5, gray_prob=0), np.full((2, 8, 8, 3), 128, np.uint8))
    assert not np.array_equal(coloured[..., 0], coloured[..., 1])


@pytest.mark.parametrize("kind", [Blur, Resize, Noise, JPEG, H264])
def test_what_has_no_probability_never_happens(kind):
    frames = noise()
    assert apply(kind(prob=0), frames) is frames
    happened = [apply(kind(prob=0.5), frames, seed) is not frames for seed in range(40)]
    assert 8 < sum(happened) < 32


def test_a_blur_keeps_the_mean_and_lies_in_its_direction():
    kernel = gaussian(3, 1, 0)
    assert kernel.sum() == pytest.approx(1)
    assert kernel[9].std() > kernel[:, 9].std() / 2
    assert (kernel[9] > 1e-4).sum() > (kernel[:, 9] > 1e-4).sum()
    assert np.allclose(gaussian(3, 1, np.pi / 2), kernel.T, atol=1e-7)
    assert np.array_equal(to_bytes(apply(Blur(sigma=0, anisotropic_prob=0), noise())), noise())


def test_lower_quality_is_worse():
    frames = np.repeat(noise(4)[..., :1] // 4 + 96, 3, axis=3)
    for good, bad in ((JPEG(quality=95), JPEG(quality=10)), (H264(crf=12), H264(crf=45))):
        losses = [np.abs(apply(each, frames).astype(int) - frames).mean() for each in (good, bad)]
        assert losses[0] < losses[1] * 0.7


@pytest.mark.parametrize("size", [(48, 64), (33, 47), (1, 1), (9, 130)])
@pytest.mark.parametrize("count", [1, 2, 17])
def test_h264_gives_back_as_many_frames_of_the_same_size(size, count):
    frames = np.stack(list(pictures(count, *size)))
    result = h264(frames, 10, "veryfast")
    assert result.shape == frames.shape and result.dtype == np.uint8
    if size == (48, 64):
        assert np.abs(result.astype(int) - frames).mean() < 3  # in order, and with the right colours


def test_h264_gives_the_same_result_whatever_the_memory_held_before():
    """With x264's macroblock tree these came out differently in every other run."""
    texture = cv2.GaussianBlur(noise(1, 90, 120)[0], (0, 0), 2)
    clip = np.stack([texture[i : i + 72, i : i + 104] for i in range(10)])
    results, litter = set(), []
    for seed in range(16):
        litter = [] if seed % 3 == 0 else litter
        litter.append(rng(seed).integers(0, 255, int(rng(seed).integers(10, 400_000))).astype(np.uint8))
        results.add(h264(clip, 20, "veryfast").tobytes())
    assert len(results) == 1


def test_a_missing_encoder_is_named(monkeypatch):
    def create(name, mode):
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av.CodecContext, "create", create)
    with pytest.raises(DataError, match="H264: this FFmpeg has no libx264; `pip install av`"):
        h264(noise(), 20, "fast")


def test_bi_is_matlab_bicubic_rounded_once():
    frames = noise()
    whole = np.stack([resize(frame, 12, 16) for frame in frames])
    assert np.array_equal(Degradation((BI(),), 4).draw(rng())(frames, rng()), whole)


def test_bd_is_the_official_script():
    """`imfilter(image, fspecial('gaussian', 12, 1.6), 'replicate')`, then rows and columns 2:4:end-2 from 1."""
    frames = noise(1, 24, 32)
    y, x = np.mgrid[-5.5:6.5, -5.5:6.5]
    kernel = np.exp(-(x**2 + y**2) / (2 * 1.6**2))
    kernel /= kernel.sum()
    padded = np.pad(frames[0].astype(float), ((5, 6), (5, 6), (0, 0)), mode="edge")
    expected = np.empty((6, 8, 3))
    for row in range(6):
        for column in range(8):
            top, left = 4 * row + 1, 4 * column + 1  # of the taps in the padded picture: 5 before the sample
            expected[row, column] = np.einsum("yxc,yx->c", padded[top : top + 12, left : left + 12], kernel)
    result = Degradation((BD(),), 4).draw(rng())(frames, rng())[0]
    assert np.array_equal(result, np.floor(expected + 0.5))


def test_bi_and_bd_are_aligned_with_the_original():
    ramp = np.broadcast_to(np.arange(64, dtype=np.float32)[:, None], (1, 48, 64, 3))
    for operation in (BI(), BD()):
        inner = apply(operation, ramp)[0, :, 3:-3]
        assert np.allclose(inner, (4 * np.arange(3, 13) + 1.5)[:, None], atol=1e-3)


@pytest.mark.parametrize("operation", [BI(), BD(), BI(scale=2), BD(scale=2), BI(scale=3)], ids=str)
def test_a_window_equals_that_of_the_whole_picture(operation):
    frames, scale = noise(2, 48, 72), operation.scale
    clip = lazy(frames, operation, scale=scale)
    whole = clip.array()
    assert whole.shape == clip.shape == (2, 48 // scale, 72 // scale, 3)
    for top in range(0, 48 // scale - 3):
        for left in range(0, 72 // scale - 4):
            window = clip.crop(top, left, 4, 5)
            assert np.array_equal(window.array(), whole[:, top : top + 4, left : left + 5])


def test_only_the_window_and_its_margin_are_read():
    read = []

    class Watched(ArrayFrames):
        def take(self, indices):
            return Watched(super().take(indices).pixels)

        def crop(self, *window):
            read.append(window)
            return super().crop(*window)

    clip = DegradedFrames(Watched(noise(3, 400, 400)), BI().draw(rng()), 4, BI().margin, (0,))
    assert clip.crop(20, 30, 16, 16).take([0, 2]).array().shape == (2, 16, 16, 3)
    assert read == [(72, 112, 80, 80)]
    assert clip.crop(10, 20, 16, 16).crop(1, 2, 3, 4).shape == (3, 3, 4, 3)
    assert np.array_equal(clip.crop(10, 20, 16, 16).crop(1, 2, 3, 4).array(), clip.array()[:, 11:14, 22:26])


@pytest.mark.parametrize("group", [1, 4])
def test_evaluation_gives_every_frame_the_same_content_in_any_order(group):
    operations = [Noise(gaussian=10), BI()] + ([H264(crf=20)] if group > 1 else [])
    clip = lazy(noise(10), *operations, group=group)
    whole = clip.array()
    assert all(np.array_equal(clip[i], whole[i]) for i in range(10))
    assert np.array_equal(clip.take(range(9, -1, -1)).array(), whole[::-1])
    assert np.array_equal(clip.take([7, 2]).take([1])[0], whole[2])
    assert not np.array_equal(whole, lazy(noise(10), *operations, group=group, seed=1).array())
    again = lazy(np.repeat(noise(1), 2 * group, axis=0), *operations, group=group).array()
    assert not np.array_equal(again[0], again[group])  # noise does not stand still from group to group


def test_training_degrades_the_chosen_frames_as_they_stand():
    frames = noise(10)
    chosen = lazy(frames, BI(), H264(crf=30)).take([8, 6, 4])
    assert np.array_equal(chosen.array(), lazy(frames[[8, 6, 4]], BI(), H264(crf=30)).array())
    assert np.array_equal(chosen[1], chosen.array()[1])


def test_another_size_in_between_is_undone():
    frames = noise()
    for operations in ([Resize(scale=0.6), BI()], [BI(), Resize(scale=[0.5, 2])], [BI(scale=2), Resize(), BD(scale=2)]):
        assert Degradation(operations, 4).draw(rng())(frames, rng()).shape == (3, 12, 16, 3)


def test_a_list_that_does_not_shrink_ends_with_bi():
    assert Degradation((Noise(),), 4).operations == (Noise(), BI())
    assert Degradation((), 1).operations == ()
    with pytest.raises(ConfigError, match="degradation: BI and BD make the frames 2 times smaller, scale is 4"):
        Degradation((BI(scale=2),), 4)


def test_margins_add_up_in_pixels_of_the_original():
    assert Degradation((BI(),), 4).margin == 8
    assert Degradation((Blur(sigma=2), BI(), H264()), 4).margin == 6 + 8 + 16 + 2  # a multiple of 4


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Blur, {"sigma": [2, 1]}, r"Blur.sigma: expected a number or \[lowest, highest\] in 0..20, got \[2, 1\]"),
        (Blur, {"sigma": [1]}, r"Blur.sigma: expected a number or \[lowest, highest\]"),
        (Blur, {"anisotropic_prob": 2.0}, "Blur.anisotropic_prob: expected a number in 0..1, got 2.0"),
        (Noise, {"gaussian": -1}, "Noise.gaussian: .* in 0..100, got -1"),
        (JPEG, {"quality": [0, 50]}, "JPEG.quality: .* in 1..100"),
        (H264, {"crf": 60}, "H264.crf: .* in 0..51, got 60"),
        (Resize, {"scale": 0}, "Resize.scale: .* in 0.1..4, got 0"),
        (Resize, {"kernels": []}, "Resize.kernels: expected some of area, bilinear, bicubic, got none"),
        (JPEG, {"prob": -0.1}, "JPEG.prob: expected a number in 0..1, got -0.1"),
        (BI, {"scale": 1}, r"BI.scale: expected a whole number in 2..16, got 1"),
        (BD, {"scale": 3}, "BD.scale: must be even, got 3"),
        (BD, {"sigma": 0}, "BD.sigma: expected a number above 0, at most 20, got 0"),
    ],
)
def test_values_out_of_range_are_refused(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        kind(**options)


def test_nodes_of_a_config_become_operations():
    node = {"name": "H264", "crf": [18, 32], "preset": "fast", "prob": 0.5}
    assert build(node, OPERATIONS, "x") == H264(crf=[18, 32], preset="fast", prob=0.5)
    assert build({"name": "BD", "scale": 4, "sigma": 1.6}, OPERATIONS, "x") == BD()
    with pytest.raises(ConfigError, match=r"x.qualty: JPEG has no such option; did you mean 'quality'"):
        build({"name": "JPEG", "qualty": 3}, OPERATIONS, "x")
    with pytest.raises(ConfigError, match=r"x.sigma: expected float \| .*, got 'a lot'"):
        build({"name": "Blur", "sigma": "a lot"}, OPERATIONS, "x")
