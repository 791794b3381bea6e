"""The Python API, as the package's docstring shows it."""

import subprocess
import sys

import numpy as np
import pytest

import ppvsr
from ppvsr.errors import ConfigError, UsageError
from ppvsr.resize import resize
from tests.films import make_film, pictures, streams


def test_importing_is_free():
    code = "import sys, ppvsr; assert not {'paddle', 'av', 'cv2', 'numpy'} & set(sys.modules); print(ppvsr.__version__)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()


def test_frames_in_frames_out():
    images = list(pictures(5))
    result = ppvsr.enhance_frames(iter(images), variant="Bicubic")
    for image, big in zip(images, result, strict=True):
        assert np.array_equal(big, resize(image, 128, 192))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_network_is_better_than_nothing(dtype):
    """On a smooth clip the bundled network must come close to the truth, in windows and in both depths."""
    truth = list(pictures(5, 256, 256, dtype))
    small = [resize(image, 64, 64) for image in truth]
    result = list(ppvsr.enhance_frames(small, num_frames=4, overlap=1, backend="dygraph"))
    assert [image.shape for image in result] == [(256, 256, 3)] * 5
    top = np.iinfo(dtype).max
    for big, original in zip(result, truth, strict=True):
        assert big.dtype == dtype
        assert np.abs(big.astype(float) - original).mean() < 0.01 * top


def test_no_frames_give_no_frames():
    assert list(ppvsr.enhance_frames([])) == []


@pytest.mark.parametrize(
    "images",
    [
        [np.zeros((8, 8), np.uint8)],
        [np.zeros((8, 8, 4), np.uint8)],
        [np.zeros((8, 8, 3), np.float32)],
        [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)],
    ],
)
def test_other_frames_are_refused(images):
    with pytest.raises(UsageError, match=r"frame \d is .*: frames must be RGB"):
        list(ppvsr.enhance_frames(images, variant="Bicubic"))


def test_names_are_checked_at_once():
    with pytest.raises(UsageError, match="did you mean PPMSVSR"):
        ppvsr.enhance_frames([], variant="PPMSVS")


def test_enhance_video_returns_what_was_made(tmp_path):
    clip = make_film(tmp_path / "clip.mp4")
    result = ppvsr.enhance_video(clip, tmp_path / "out", variant="Bicubic")
    assert result.path == tmp_path / "out" / "clip_Bicubic.mp4"
    assert (result.frames, result.damage) == (6, None)
    assert streams(result.path)[0] == ("video", "h264", 192, 6)


def test_models_are_created_and_filled_by_name(tmp_path):
    options = {"mid_channels": 8, "stage1_groups": 4, "use_local_connnect": False}  # PaddleGAN's spelling
    first, second = (ppvsr.create_model("MSVSR", **options) for _ in range(2))
    arrays = {name: tensor.numpy() for name, tensor in first.state_dict().items()}
    np.savez(tmp_path / "weights.npz", **arrays)
    ppvsr.load_weights(second, tmp_path / "weights.npz")
    for name, tensor in second.state_dict().items():
        assert np.array_equal(tensor.numpy(), arrays[name])


def test_unknown_options_are_named():
    with pytest.raises(ConfigError, match=r"model\.mid_channel: MSVSR has no such option; did you mean 'mid_channels'"):
        ppvsr.create_model("MSVSR", mid_channel=8)
    with pytest.raises(ConfigError, match="unknown 'MSVRS'; did you mean 'MSVSR'"):
        ppvsr.create_model("MSVRS")


def test_the_table_of_variants_is_public():
    assert {"PPMSVSR", "PPMSVSRLarge", "PPMSVSRSmall", "BasicVSR", "IconVSR", "BasicVSRPlusPlus", "Bicubic"} == set(
        ppvsr.VARIANTS
    )
    with pytest.raises(AttributeError, match="no attribute 'enhance_film'"):
        _ = ppvsr.enhance_film
