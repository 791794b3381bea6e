"""Broken films: what can be had comes, and one sentence says what is gone."""

import random

import pytest

from ppvsr.errors import VideoError
from ppvsr.video.open import open_source
from tests.video.enlarging import enlarge
from tests.video.films import Sound, make_film


def count(path):
    with open_source(path) as source:
        return sum(1 for _ in source), source.damage


def cut(path, share):
    """Keep the first `share` of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def front_moov(path, **options):
    return make_film(path, times=100, muxer_options={"movflags": "faststart"}, gop=10, **options)


def test_sound_films_have_no_damage(tmp_path):
    assert count(make_film(tmp_path / "a.mp4", times=100, companions=[Sound()])) == (100, None)
    assert count(make_film(tmp_path / "a.mkv", times=100, companions=[Sound(seconds=4)])) == (100, None)
    assert count(make_film(tmp_path / "a.webm", times=50, codec="libvpx-vp9")) == (50, None)


def test_a_fragmented_film_claims_little_and_holds_more(tmp_path):
    film = make_film(tmp_path / "a.mp4", times=50, gop=10, muxer_options={"movflags": "frag_keyframe"})
    assert count(film) == (50, None)


def test_a_truncated_mp4_counts_the_missing_frames(tmp_path):
    frames, damage = count(cut(front_moov(tmp_path / "a.mp4"), 0.6))
    assert 10 < frames < 90
    claimed = damage.split(" of 100 frames are missing: the file is truncated")
    assert 100 - frames - 2 <= int(claimed[0]) <= 100 - frames


def test_a_truncated_mkv_tells_the_missing_time(tmp_path):
    frames, damage = count(cut(make_film(tmp_path / "a.mkv", times=100, gop=10), 0.6))
    assert 10 < frames < 90
    missing = float(damage.removeprefix("the last ").split(" of 4.0 seconds are missing: the file is truncated")[0])
    assert abs(missing - (100 - frames) / 25) < 0.3


def test_a_part_of_a_truncated_film_is_no_damage(tmp_path):
    with open_source(cut(front_moov(tmp_path / "a.mp4"), 0.6), frames=5) as source:
        assert sum(1 for _ in source) == 5
    assert source.damage is None


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_damage_in_the_middle_does_not_end_the_film(kind, tmp_path):
    path = front_moov(tmp_path / "a.mp4") if kind == "mp4" else make_film(tmp_path / f"a.{kind}", times=100, gop=10)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = random.Random(1).randbytes(400)
    path.write_bytes(data)
    frames, damage = count(path)
    assert frames == 100 and damage.endswith("lost, the one before is shown instead")


def test_a_damaged_film_is_enlarged_as_far_as_it_goes(tmp_path):
    path = front_moov(tmp_path / "a.mp4", companions=[Sound()])
    target, _ = enlarge(cut(path, 0.7))
    frames, damage = count(target)
    assert frames == count(path)[0] and damage is None


def test_without_its_index_an_mp4_is_lost(tmp_path):
    with pytest.raises(VideoError, match=r"a\.mp4: is not a film that FFmpeg can read: Invalid data"):
        open_source(cut(make_film(tmp_path / "a.mp4", times=100), 0.5))
