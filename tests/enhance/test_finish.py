"""Finishing: sizes that encoders take, exact shrinking and mixing, and nothing done where nothing is asked."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ppvsr.enhance.finish import Finish, mix, turned
from ppvsr.enhance.network import BicubicEnhancer
from ppvsr.errors import UsageError
from ppvsr.resize import resize
from ppvsr.video.frames import Color, Frame, VideoInfo

DTYPES = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
HALF = Fraction(1, 2)


def pictures(count, height=6, width=8, dtype=np.uint8):
    rng = np.random.default_rng(3)
    top = np.iinfo(dtype).max
    return [Frame(rng.integers(0, top + 1, (height, width, 3), dtype), Fraction(n, 25)) for n in range(count)]


def noise(frames):
    """A chain of x 4 whose results have nothing to do with the frames, and that holds two of them back."""
    rng = np.random.default_rng(4)
    held = []
    for frame in frames:
        height, width, _ = frame.image.shape
        top = np.iinfo(frame.image.dtype).max
        image = rng.integers(0, top + 1, (4 * height, 4 * width, 3), frame.image.dtype)
        held.append(Frame(image, frame.time, frame.duration))
        if len(held) > 2:
            yield held.pop(0)
    yield from held


@pytest.mark.parametrize(
    ("finish", "source", "size"),
    [
        (Finish(), (161, 91), (644, 364)),
        (Finish(scale=Fraction(4)), (161, 91), (644, 364)),
        (Finish(scale=Fraction(2)), (161, 91), (322, 182)),
        (Finish(scale=Fraction(3, 2)), (161, 91), (242, 136)),  # 241.5 x 136.5
        (Finish(scale=Fraction(1)), (161, 91), (162, 92)),  # from halfway, the larger one
        (Finish(scale=Fraction(1, 1000)), (161, 91), (2, 2)),
        (Finish(height=1080), (640, 360), (1920, 1080)),
        (Finish(height=1080), (480, 270), (1920, 1080)),
        (Finish(height=720), (427, 240), (1282, 720)),  # 1281 wide
        (Finish(height=181), (320, 180), (322, 182)),
        (Finish(scale=Fraction(1)), (1, 1), (2, 2)),
    ],
)
def test_the_result_keeps_the_aspect_and_gets_even_sides(finish, source, size):
    assert finish.size(*source, 4) == size


def test_no_side_becomes_larger_than_the_networks_make_it():
    assert Finish(scale=Fraction(5, 2)).size(1, 3, 3) == (2, 8)
    assert Finish(scale=Fraction(29, 10)).size(1, 3, 3) == (2, 8)
    assert Finish(scale=Fraction(9, 10)).size(1, 1, 1) == (1, 1)


def test_the_height_of_a_film_on_its_side_is_the_one_that_people_see():
    assert Finish(height=960).size(640, 360, 4, turned=True) == (960, 540)
    assert Finish(scale=Fraction(2)).size(640, 360, 4, turned=True) == (1280, 720)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (None, False),
        ((65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), False),
        ((-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30), False),
        ((0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), True),
        ((0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30), True),
    ],
)
def test_a_rotation_by_a_quarter_lays_a_film_on_its_side(matrix, expected):
    info = VideoInfo(
        Path("a"), 8, 6, 8, Fraction(25), Fraction(1, 25), None, None, "mp4", Color(), (), display_matrix=matrix
    )
    assert turned(info) is expected


@pytest.mark.parametrize(
    ("finish", "message"),
    [
        (Finish(height=1442), "--height 1442: the networks make 640x360 4 times larger, so --height 1440 is the most"),
        (Finish(scale=Fraction(9, 2)), "--scale 4.5: the networks make 640x360 4 times larger, so --scale 4 is the"),
    ],
)
def test_more_than_the_networks_give_is_refused_with_the_most(finish, message):
    with pytest.raises(UsageError, match=message):
        finish.size(640, 360, 4)
    with pytest.raises(UsageError, match=message):
        finish.wrap(noise, 640, 360, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": Fraction(2), "height": 720}, "--scale 2 and --height 720 exclude each other; give one of them"),
        ({"scale": Fraction(0)}, "--scale 0: must be above 0, such as 2 or 1.5"),
        ({"scale": Fraction(-2)}, "--scale -2: must be above 0"),
        ({"height": 1}, "--height 1: must be at least 2"),
        ({"blend": 1.1}, r"--blend 1.1: must lie between 0 \(bicubic alone\) and 1 \(the network alone\)"),
        ({"blend": -0.1}, "--blend -0.1: must lie"),
        ({"blend": float("nan")}, "--blend nan: must lie"),
    ],
)
def test_values_that_cannot_be_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Finish(**values)


def test_a_height_that_is_not_kept_is_told():
    assert Finish(height=181).notes(320, 180, 4) == ["--height 181: becomes 182, because most encoders need even sides"]
    assert Finish(height=641).notes(640, 360, 4, turned=True) != []
    for finish in (Finish(), Finish(height=180), Finish(scale=Fraction(3, 2))):
        assert finish.notes(161, 91, 4) == []


@pytest.mark.parametrize("finish", [Finish(), Finish(scale=Fraction(4)), Finish(height=24), Finish(blend=1)])
def test_where_nothing_is_asked_the_chain_itself_is_returned(finish):
    assert finish.wrap(noise, 8, 6, 4) is noise


@DTYPES
def test_shrinking_is_the_antialiased_bicubic_of_the_chains_pictures(dtype):
    frames = pictures(5, dtype=dtype)
    results = list(Finish(scale=Fraction(2)).wrap(noise, 8, 6, 4)(frames))
    for result, large in zip(results, noise(frames), strict=True):
        assert result.image.dtype == dtype
        np.testing.assert_array_equal(result.image, resize(large.image, 12, 16))
    assert [result.time for result in results] == [frame.time for frame in frames]


def test_shrinking_does_not_let_fine_stripes_through():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    (result,) = Finish(scale=HALF).wrap(lambda frames: iter(frames), 64, 64, 1)([Frame(stripes, Fraction(0))])
    assert np.abs(result.image[4:-4, 4:-4].astype(int) - 128).max() <= 1


@DTYPES
@pytest.mark.parametrize("blend", [0.0, 0.25, 0.5, 0.7])
def test_blending_mixes_every_result_with_its_own_source(dtype, blend):
    frames = pictures(7, dtype=dtype)
    results = list(Finish(blend=blend).wrap(noise, 8, 6, 4)(frames))
    for result, large, frame in zip(results, noise(frames), frames, strict=True):
        bicubic = resize(frame.image, 24, 32).astype(np.float64)
        expected = np.floor(blend * large.image + (1 - blend) * bicubic + 0.5)
        assert result.image.dtype == dtype
        np.testing.assert_array_equal(result.image, expected)


def test_mixing_comes_before_shrinking():
    (frame,) = pictures(1)
    finish = Finish(blend=0.5, scale=Fraction(2))
    (result,) = finish.wrap(noise, 8, 6, 4)([frame])
    (large,) = noise([frame])
    np.testing.assert_array_equal(result.image, resize(mix(large.image, resize(frame.image, 24, 32), 0.5), 12, 16))


def test_bicubic_blended_with_bicubic_is_bicubic():
    frames = pictures(2)
    results = list(Finish(blend=0.3).wrap(BicubicEnhancer(4), 8, 6, 4)(frames))
    for result, frame in zip(results, frames, strict=True):
        np.testing.assert_array_equal(result.image, resize(frame.image, 24, 32))


@pytest.mark.parametrize("values", [(0, 255), (255, 0), (255, 255), (65535, 65535), (1, 2)])
def test_mixing_rounds_halves_up_and_stays_in_range(values):
    dtype = np.uint16 if max(values) > 255 else np.uint8
    first, second = (np.full((20, 3, 3), value, dtype) for value in values)
    assert (mix(first, second, 0.5) == (sum(values) + 1) // 2).all()
    assert (mix(first, second, 1.0) == values[0]).all()
    assert (mix(first, second, 0.0) == values[1]).all()


def test_frames_are_pulled_only_as_they_are_needed():
    pulled = 0

    def counted():
        nonlocal pulled
        for frame in pictures(100):
            pulled += 1
            yield frame

    for done, _ in enumerate(Finish(scale=Fraction(2), blend=0.5).wrap(noise, 8, 6, 4)(counted())):
        assert pulled <= done + 1 + 2 + 4  # the chain holds two back, and four are worked on


def test_an_error_of_the_chain_is_raised():
    def failing(frames):
        yield from noise(frames)
        raise OSError("network broke")

    stream = Finish(scale=Fraction(2)).wrap(failing, 8, 6, 4)(pictures(3))
    with pytest.raises(OSError, match="network broke"):
        list(stream)
