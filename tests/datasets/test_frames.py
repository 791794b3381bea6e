import cv2
import numpy as np
import pytest

from ppvsr.data.clips import ArrayFrames, ImageFrames, PackedFrames, picture_size
from ppvsr.errors import DataError
from tests.datasets.trees import picture


@pytest.fixture
def clips(tmp_path):
    """The same clip three times, and its pixels."""
    paths = tuple(tmp_path / f"{number}.png" for number in range(4))
    pixels = np.stack([picture(path, number, 20, 30) for number, path in enumerate(paths)])
    np.save(tmp_path / "clip.npy", pixels)
    return [ImageFrames(paths), PackedFrames(tmp_path / "clip.npy"), ArrayFrames(pixels)], pixels


def test_all_kinds_of_clips_give_the_same_pixels(clips):
    for frames in clips[0]:
        assert frames.shape == (4, 20, 30, 3) and len(frames) == 4
        assert np.array_equal(frames.array(), clips[1])
        assert np.array_equal(frames[2], clips[1][2])


def test_lazy_choice_and_windows_equal_eager_ones(clips):
    expected = clips[1][[3, 1, 1]][:, 5:13, 7:19]
    for frames in clips[0]:
        for part in (
            frames.take([3, 1, 1]).crop(5, 7, 8, 12),
            frames.crop(2, 3, 16, 20).take([3, 0, 1]).crop(3, 4, 8, 12).take([0, 2, 2]),
        ):
            assert part.shape == expected.shape
            assert np.array_equal(part.array(), expected)
            assert np.array_equal(part[1], expected[1])
            assert part.array().flags.c_contiguous and part.array().dtype == np.uint8


def test_choosing_frames_and_asking_for_the_shape_decode_nothing(clips, monkeypatch):
    monkeypatch.setattr("ppvsr.data.clips.read_picture", lambda path: pytest.fail(f"{path} was decoded"))
    frames = clips[0][0].take([1, 2]).crop(1, 2, 3, 4)
    assert frames.shape == (2, 3, 4, 3)


def test_the_size_of_other_pictures_than_png_is_known_too(tmp_path):
    assert cv2.imwrite(str(tmp_path / "a.bmp"), np.zeros((5, 7, 3), np.uint8))
    assert picture_size(tmp_path / "a.bmp") == (5, 7)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 4)])
def test_grey_and_transparent_pictures_become_rgb(shape, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.png"), image)
    frame = ImageFrames((tmp_path / "a.png",))[0]
    expected = np.repeat(image[..., None], 3, axis=2) if len(shape) == 2 else image[..., 2::-1]
    assert np.array_equal(frame, expected)


def spoil(path, how):
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "16 bits":
        assert cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint16))
    elif how == "other size":
        assert cv2.imwrite(str(path), np.zeros((20, 31, 3), np.uint8))
    else:
        changed = {"truncated": data[: len(data) // 2], "empty": b"", "text": b"hello", "flipped": bytearray(data)}[how]
        if how == "flipped":
            changed[len(data) // 2] ^= 0xFF
        path.write_bytes(changed)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "no such picture"),
        ("truncated", "is damaged or no picture; replace it"),
        ("flipped", "is damaged or no picture; replace it"),
        ("empty", "is damaged or no picture"),
        ("text", "is damaged or no picture"),
        ("16 bits", "has 16 bits per sample, 8 are expected; convert"),
        ("other size", "is 31x20, other pictures of its clip are 30x20; all must have one size"),
    ],
)
def test_a_picture_that_cannot_be_used_is_named(clips, how, message):
    spoil(clips[0][0].paths[2], how)
    with pytest.raises(DataError, match=f"2.png: {message}"):
        clips[0][0].array()
    with pytest.raises(DataError, match=f"2.png: {message}"):
        clips[0][0].crop(0, 0, 8, 8)[2]


def test_a_missing_first_picture_is_named_when_its_size_is_asked_for(clips):
    clips[0][0].paths[0].unlink()
    with pytest.raises(DataError, match=r"0.png: cannot be read: No such file"):
        _ = clips[0][0].shape


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", None, "float"])
def test_a_damaged_packed_clip_says_to_pack_again(clips, content):
    path = clips[0][1].path
    if content is None:
        path.write_bytes(path.read_bytes()[:-10])
    elif content == "float":
        np.save(path, np.zeros((2, 3)))
    else:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"clip.npy: .*delete it and pack again"):
        clips[0][1].array()
