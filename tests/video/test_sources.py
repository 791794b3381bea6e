"""What every source promises, whatever it reads; and what each kind adds."""

import os
import random
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from ppvsr.errors import UsageError, VideoError
from ppvsr.video.open import describe, open_source, probe
from tests.video.films import Sound, Subtitles, add_companion, make_film, patch_colours, patches, sound_packets

COUNT = 10


def write_images(folder, count=COUNT, dtype=np.uint8, name="{:04d}.png", size=(64, 48)):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = patches(*size, offset=number, dtype=dtype)
        cv2.imwrite(str(folder / name.format(number)), image[..., ::-1])
    return folder


def film(folder, suffix="mp4", **options):
    return make_film(folder / f"film.{suffix}", **{"times": COUNT, "pix_fmt": "yuv444p"} | options)


# One row per kind: how to make it, the frames' dtype, and by how much a colour may be off.
SOURCES = {
    "h264 in mp4": (film, np.uint8, 12),
    "vp9 in webm": (lambda folder: film(folder, "webm", codec="libvpx-vp9", options={"lossless": "1"}), np.uint8, 3),
    "ffv1 in mkv": (lambda folder: film(folder, "mkv", codec="ffv1"), np.uint8, 3),
    "mjpeg in avi": (lambda folder: film(folder, "avi", codec="mjpeg", pix_fmt="yuvj444p"), np.uint8, 24),
    "10 bits": (lambda folder: film(folder, "mkv", codec="ffv1", pix_fmt="yuv444p10le"), np.uint16, 3),
    "16-bit rgb": (lambda folder: film(folder, "mkv", codec="ffv1", pix_fmt="gbrp16le"), np.uint16, 1),
    "palette": (
        lambda folder: film(folder, "gif", codec="gif", pix_fmt="rgb8"),
        np.uint8,
        85,
    ),  # 2 bits of blue, dithered
    "raw stream": (lambda folder: film(folder, "h264"), np.uint8, 12),
    "folder": (lambda folder: write_images(folder / "images"), np.uint8, 0),
    "folder of 16 bits": (lambda folder: write_images(folder / "images", dtype=np.uint16), np.uint16, 0),
    "numbered pattern": (lambda folder: write_images(folder / "images") / "%04d.png", np.uint8, 0),
    "glob pattern": (lambda folder: write_images(folder / "images") / "*.png", np.uint8, 0),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_keeps_the_contract(kind, tmp_path):
    make, dtype, tolerance = SOURCES[kind]
    with open_source(make(tmp_path), rate=Fraction(25) if "folder" in kind or "pattern" in kind else None) as source:
        frames = list(source)
        info = source.info
    assert len(frames) == COUNT
    assert source.damage is None
    assert (info.width, info.height) == (64, 48)
    assert info.rate == 25
    assert info.whole and info.zero == 0
    assert [frame.time for frame in frames] == [n * frames[0].duration for n in range(COUNT)]
    assert all(isinstance(frame.time, Fraction) and frame.image.dtype == dtype for frame in frames)
    scale = 257 if dtype == np.uint16 else 1
    for number, frame in enumerate(frames):
        assert frame.image.shape == (48, 64, 3)
        wanted = patch_colours(patches(offset=number)) * scale
        assert np.abs(patch_colours(frame.image) - wanted).max() <= tolerance * scale


@pytest.mark.parametrize("kind", ["h264 in mp4", "ffv1 in mkv", "raw stream", "folder"])
def test_a_part_is_a_part_of_the_whole(kind, tmp_path):
    path = SOURCES[kind][0](tmp_path)
    with open_source(path) as source:
        whole = list(source)
    for start in (0, 3, 9):
        with open_source(path, start=whole[start].time, frames=4) as source:
            part = list(source)
            assert not source.info.whole or len(part) == len(whole)
        assert len(part) == min(4, COUNT - start)
        assert [frame.time for frame in part] == [frame.time - whole[start].time for frame in whole[start : start + 4]]
        for one, other in zip(part, whole[start:], strict=False):
            np.testing.assert_array_equal(one.image, other.image)


def test_a_part_begins_at_the_next_frame_also_behind_many_keyframes(tmp_path):
    path = film(tmp_path, times=60, gop=12, codec="mpeg4", pix_fmt="yuv420p")
    with open_source(path) as source:
        whole = list(source)
    for start in (Fraction(1, 100), Fraction(119, 100), Fraction(2)):
        first = next(n for n, frame in enumerate(whole) if frame.time >= start)
        with open_source(path, start=start, frames=2) as source:
            part = list(source)
            assert source.info.zero == whole[first].time
        np.testing.assert_array_equal(part[0].image, whole[first].image)
        assert [frame.time for frame in part] == [0, Fraction(1, 25)]


def test_a_start_behind_the_end_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"film.mp4: has no frame at or after 7 s; choose an earlier start"):
        open_source(film(tmp_path), start=Fraction(7))
    with pytest.raises(UsageError, match=r"images: holds no images to read from 7 s on"):
        open_source(write_images(tmp_path / "images"), start=Fraction(7))


@pytest.mark.parametrize(("option", "value"), [("start", Fraction(-1)), ("frames", 0), ("rate", Fraction(0))])
def test_impossible_parts_are_refused(option, value, tmp_path):
    with pytest.raises(UsageError, match=f"{option} {value}: must"):
        open_source(film(tmp_path), **{option: value})


def test_variable_frame_rate_is_kept_exactly(tmp_path):
    times = [Fraction(n, 1000) for n in (0, 33, 50, 133, 500, 501)]
    for suffix in ("mp4", "mkv"):
        with open_source(film(tmp_path, suffix, times=times, time_base=Fraction(1, 1000))) as source:
            assert [frame.time for frame in source] == times


def test_times_increase_even_where_the_file_repeats_them(tmp_path):
    times = [Fraction(n, 1000) for n in (0, 40, 40, 80, 80, 120)]
    with open_source(film(tmp_path, "mkv", codec="ffv1", times=times, time_base=Fraction(1, 1000))) as source:
        assert [frame.time * 1000 for frame in source] == [0, 40, 41, 80, 81, 120]


def test_a_rate_is_for_films_without_timestamps(tmp_path):
    with open_source(film(tmp_path, "h264"), rate=Fraction(10)) as source:
        assert [frame.time for frame in source] == [Fraction(n, 10) for n in range(COUNT)]
        assert source.info.rate == 10 and source.info.time_base == Fraction(1, 10) and source.notes == []
    with open_source(film(tmp_path), rate=Fraction(10)) as source:
        assert [frame.time for frame in source] == [Fraction(n, 25) for n in range(COUNT)]
        assert source.notes == ["rate 10 is ignored: the film has its own timestamps"]


def test_every_frame_has_the_size_of_the_first(tmp_path):
    small = film(tmp_path, "h264").read_bytes()
    large = film(tmp_path, "h264", size=(128, 96)).read_bytes()
    (tmp_path / "both.h264").write_bytes(small + large)
    with open_source(tmp_path / "both.h264") as source:
        frames = list(source)
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 2 * COUNT
    assert source.notes == ["the picture changes its size; every frame was brought to 64x48"]
    assert np.abs(patch_colours(frames[COUNT].image) - patch_colours(frames[0].image)).max() < 16


def test_a_late_picture_begins_late_and_a_common_offset_is_no_offset(tmp_path):
    sound = [Sound(start=Fraction(10))]
    times = [Fraction(21, 2) + Fraction(n, 25) for n in range(5)]
    with open_source(film(tmp_path, "ts", times=times, companions=sound, time_base=Fraction(1, 90000))) as source:
        first = next(iter(source))
    assert 0.5 <= first.time <= 0.6  # and not 10.5 seconds; the encoder of the sound needs a little advance


@pytest.mark.parametrize(
    "name", ["a b.mp4", "a.b.c.mp4", "电影.mp4", 'it\'s "it".mp4', "-dash.mp4", "100%d.mp4", "[a]*?.mp4", "a:b.mp4"]
)
def test_existing_names_are_taken_as_they_are(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.rename(film(tmp_path), name)
    with open_source(name) as source:
        assert sum(1 for _ in source) == COUNT


def test_an_existing_image_wins_over_a_pattern(tmp_path):
    images = write_images(tmp_path / "images")
    os.rename(images / "0003.png", images / "%04d.png")
    with open_source(images / "%04d.png") as source:
        assert sum(1 for _ in source) == 1


def test_numbers_in_names_are_sorted_by_value(tmp_path):
    images = write_images(tmp_path / "images", 12, name="frame {}.png")
    with open_source(images) as source:
        assert source.info.names == tuple(f"frame {n}" for n in range(12))


def test_damaged_images_are_counted_and_leave_a_gap(tmp_path):
    images = write_images(tmp_path / "images")
    (images / "0003.png").write_bytes(b"no picture")
    with open_source(images, rate=Fraction(10)) as source:
        times = [frame.time for frame in source]
    assert times == [Fraction(n, 10) for n in range(COUNT) if n != 3]
    assert source.damage == "1 of 10 images could not be read: 0003.png"


def test_images_of_another_size_are_refused(tmp_path):
    images = write_images(tmp_path / "images")
    cv2.imwrite(str(images / "0005.png"), patches(32, 24))
    with open_source(images) as source, pytest.raises(VideoError, match=r"0005.png: is 32x24, but the first .* 64x48"):
        list(source)


def test_grey_and_transparent_images_become_rgb(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.full((4, 4, 4), 77, np.uint8))
    cv2.imwrite(str(folder / "1.png"), np.full((4, 4), 77, np.uint8))
    with open_source(folder) as source:
        assert [frame.image.tolist() for frame in source] == [np.full((4, 4, 3), 77).tolist()] * 2
        assert "transparency is dropped" in source.notes
        assert any("25 frames per second are assumed" in note for note in source.notes)


def test_transparent_films_say_what_is_lost(tmp_path):
    with open_source(film(tmp_path, "mkv", codec="ffv1", pix_fmt="yuva444p")) as source:
        assert source.notes == ["transparency is dropped"]


def text(path):
    path.write_text("not a film\n" * 100)


def noise(path):
    path.write_bytes(random.Random(0).randbytes(20000))


def empty(path):
    path.write_bytes(b"")


def only_sound(path):
    with av.open(str(path), "w") as film:
        stream = add_companion(film, Sound())
        film.mux(sound_packets(Sound(), stream))


def no_pictures(path):
    whole = make_film(path.with_name("whole.mp4"), muxer_options={"movflags": "faststart"}).read_bytes()
    path.write_bytes(whole[: whole.index(b"mdat") + 4])


BROKEN = {
    "text": (text, VideoError, r"x\.mp4: is not a film that FFmpeg can read: Invalid data"),
    "noise": (noise, VideoError, r"x\.mp4: is not a film that FFmpeg can read: Invalid data"),
    "empty": (empty, VideoError, r"x\.mp4: is not a film that FFmpeg can read: "),
    "sound": (only_sound, VideoError, r"x\.mp4: holds no video stream \(streams found: audio \(aac\)\)"),
    "no pictures": (no_pictures, VideoError, r"x\.mp4: not one frame could be decoded: 10 of 10 frames are missing"),
    "missing": (lambda path: None, UsageError, r"x\.mp4: does not exist; give a film, a folder of images or a pattern"),
    "empty folder": (Path.mkdir, UsageError, r"x\.mp4: holds no images \(.bmp, "),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_read_is_told_in_one_line(kind, tmp_path, capfd):
    make, error, message = BROKEN[kind]
    make(tmp_path / "x.mp4")
    for function in (open_source, probe, describe):
        with pytest.raises(error, match=message) as caught:
            function(tmp_path / "x.mp4")
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/x.mp4", "concat:a.mp4|b.mp4", "frames/*.png", "frames/%08d.png"])
def test_protocols_are_not_opened_and_empty_patterns_are_missing_files(name):
    with pytest.raises(UsageError, match="does not exist"):
        open_source(name)


def test_a_first_image_that_is_none_is_an_error(tmp_path):
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match=r"0.png: is not a readable image"):
        open_source(tmp_path)


def test_streams_are_listed_for_people(tmp_path):
    companions = [Sound(language="deu"), Subtitles(language="fra")]
    path = film(tmp_path, pix_fmt="yuv420p", companions=companions, tags={"colorspace": 1}, aspect=Fraction(4, 3))
    lines = describe(path)
    assert lines[0].startswith("0: video h264: 64x48, 25 fps, yuv420p, bt709/tv, pixels 4:3, 0.400 s")
    assert lines[1].startswith("1: audio aac: 48000 Hz, mono, ") and "deu" in lines[1]
    assert lines[2].startswith("2: subtitle mov_text: ") and "fra" in lines[2]


def test_rotation_is_listed(tmp_path):
    matrix = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path = film(tmp_path, matrix=matrix)
    assert probe(path).display_matrix == matrix
    assert "display matrix (0, 65536, 0" in describe(path)[0]


def test_a_rate_the_container_cannot_know_is_measured(tmp_path):
    path = film(tmp_path, "flv", codec="flv1", pix_fmt="yuv420p", rate=Fraction(20))
    assert probe(path).rate == 20
