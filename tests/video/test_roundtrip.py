"""What goes in comes out: times, the distance of the sound, rotation, shape, size."""

from fractions import Fraction

import av
import numpy as np
import pytest

from ppvsr.video.encoder import Encoding
from ppvsr.video.ffmpeg import exact
from ppvsr.video.open import open_source, probe
from ppvsr.video.output import open_sink
from tests.video.enlarging import FAST, enlarge, payload, starts, times
from tests.video.films import Sound, make_film, patch_colours

FILM_RATES = [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25), Fraction(1), Fraction(120)]
QUARTER_TURN = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
MIRROR = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("rate", FILM_RATES, ids=str)
def test_rates_are_exact(rate, tmp_path):
    source = make_film(tmp_path / "a.mp4", rate=rate)
    target, _ = enlarge(source)
    assert times(target) == times(source) == [n / rate for n in range(10)]
    assert probe(target).rate == rate
    assert probe(target).duration == pytest.approx(float(10 / rate), abs=0.001)


def test_variable_frame_rate_and_the_last_frames_duration(tmp_path):
    instants = [Fraction(n, 16000) for n in (0, 500, 777, 2000, 9000, 9100, 16000)]
    source = make_film(
        tmp_path / "a.mp4", times=instants, options={"bf": "0"}, time_base=Fraction(1, 16000), last=Fraction(1, 10)
    )
    target, _ = enlarge(source)
    assert times(target) == instants
    with open_source(target) as result:
        assert [frame.duration for frame in result][-1] == Fraction(1, 10)


@pytest.mark.parametrize(
    "delays", [(10, 20, 5, 30), (10, 20, 5, 25, 1, 1, 28, 10), (4,) * 9, (30, 1, 1, 1, 1, 1)], ids=str
)
def test_the_film_ends_when_its_last_frame_does_also_with_b_frames(delays, tmp_path):
    instants = [Fraction(sum(delays[:n]), 100) for n in range(len(delays))]
    base, last = Fraction(1, 16000), Fraction(delays[-1], 100)
    source = make_film(tmp_path / "a.mp4", times=instants, options={"bf": "0"}, time_base=base, last=last)
    target, _ = enlarge(source, encoding=Encoding())
    assert times(target) == instants
    with open_source(target) as result:
        assert [frame.duration for frame in result][-1] == last
    with av.open(str(target)) as film:
        assert film.streams.video[0].duration * exact(film.streams.video[0].time_base) == instants[-1] + last


@pytest.mark.parametrize("container", ["mkv", "webm"])
def test_matroska_keeps_times_to_the_millisecond(container, tmp_path):
    source = make_film(tmp_path / "a.mp4", rate=Fraction(30000, 1001))
    encoding = Encoding(crf=30) if container == "webm" else FAST
    target, _ = enlarge(source, container, encoding=encoding)
    assert [abs(a - b) <= Fraction(1, 2000) for a, b in zip(times(target), times(source), strict=True)] == [True] * 10
    assert probe(target).rate == Fraction(30000, 1001)


@pytest.mark.slow
@pytest.mark.parametrize("begins", [(0, 0), (0.3, 0), (0, 0.3), (10, 10), (10, 10.25), (10.25, 10)], ids=str)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_sound_keeps_its_distance_to_the_pictures(begins, suffix, container, tmp_path):
    video, audio = (Fraction(each).limit_denominator(1000) for each in begins)
    instants = [video + Fraction(n, 25) for n in range(25)]
    source = make_film(
        tmp_path / f"a.{suffix}", times=instants, time_base=Fraction(1, 12800), companions=[Sound(start=audio)]
    )
    target, notes = enlarge(source, container)
    (picture, sound), (new_picture, new_sound) = starts(source), starts(target)
    assert abs((sound - picture) - (audio - video)) < Fraction(1, 20)
    # One tick of the coarsest clock on the way; Matroska has milliseconds, mp4 those of the pictures.
    tick = Fraction(1, 12000) if suffix == container == "mp4" else Fraction(1, 1000)
    assert abs((new_sound - new_picture) - (sound - picture)) <= tick
    assert min(new_picture, new_sound) == pytest.approx(0, abs=0.05)
    assert notes == []
    if suffix == container:
        assert payload(target, "audio") == payload(source, "audio")


def test_a_part_takes_its_sound_along(tmp_path):
    sound = Sound(seconds=Fraction(4), codec="flac")
    source = make_film(tmp_path / "a.mkv", times=100, companions=[sound], gop=10)
    target, _ = enlarge(source, start=Fraction(2), frames=25)
    assert len(times(target)) == 25
    picture, heard = starts(target)
    assert 0 <= heard - picture < Fraction(1, 10)
    with av.open(str(target)) as film:
        last = max((packet.pts + packet.duration) * exact(packet.time_base) for packet in film.demux() if packet.size)
    assert 1 <= last < 1.3


@pytest.mark.slow
@pytest.mark.parametrize("part", [{"start": Fraction(0)}, {"frames": 60}, {"frames": 10**6}], ids=str)
def test_a_part_loses_nothing_of_its_first_sound(part, tmp_path):
    """AAC needs the packet before the one that is heard; a part from the beginning sounds like the whole."""
    source = make_film(tmp_path / "a.mp4", times=100, companions=[Sound(seconds=Fraction(4))])
    wanted, (picture, heard) = starts(source), starts(enlarge(source, **part)[0])
    assert abs((heard - picture) - (wanted[1] - wanted[0])) < Fraction(1, 1000)


@pytest.mark.parametrize("matrix", [QUARTER_TURN, MIRROR])
@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_rotation_and_mirroring(matrix, container, tmp_path):
    source = make_film(tmp_path / "a.mp4", matrix=matrix)
    target, _ = enlarge(source, container)
    assert probe(source).display_matrix == probe(target).display_matrix == matrix
    assert (probe(target).width, probe(target).height) == (128, 96)


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_the_shape_of_pixels(container, tmp_path):
    source = make_film(tmp_path / "a.mp4", aspect=Fraction(16, 11))
    target, notes = enlarge(source, container)
    assert notes == [] and probe(target).sample_aspect == Fraction(16, 11)


def test_a_shape_that_is_lost_is_told(tmp_path):
    source = make_film(tmp_path / "a.mp4", aspect=Fraction(16, 11))
    _, notes = enlarge(source, "webm", encoding=Encoding(crf=30))
    assert notes == ["webm with libvpx-vp9 cannot say that pixels are 16:11"]


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (1, 1), (10, 6)], ids=str)
@pytest.mark.parametrize("scale", [1, 4])
def test_odd_sizes(size, scale, tmp_path):
    source = make_film(tmp_path / "a.mkv", size=size, codec="ffv1", pix_fmt="yuv444p", times=3)
    target, _ = enlarge(source, scale=scale)
    assert (probe(target).width, probe(target).height) == (size[0] * scale, size[1] * scale)
    assert len(times(target)) == 3


@pytest.mark.parametrize("kind", ["mp4", "gif", "mpg", "avi", "h264", "ts"])
def test_one_frame(kind, tmp_path):
    codecs = {"gif": ("gif", "rgb8"), "mpg": ("mpeg1video", "yuv420p"), "avi": ("mjpeg", "yuvj420p")}
    codec, pix_fmt = codecs.get(kind, ("libx264", "yuv420p"))
    target, _ = enlarge(make_film(tmp_path / f"a.{kind}", times=1, codec=codec, pix_fmt=pix_fmt))
    assert times(target) == [0]


def test_a_folder_becomes_a_film_and_a_film_a_folder(tmp_path):
    source = make_film(tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv444p16le")
    with open_source(source) as film, open_sink(tmp_path / "images", film.info, container="png") as sink:
        frames = list(film)
        for frame in frames:
            sink.write(frame)
    with open_source(tmp_path / "images", rate=Fraction(25)) as folder:
        assert folder.info.names == tuple(f"{n:08d}" for n in range(10))
        back = list(folder)
        for one, other in zip(frames, back, strict=True):
            np.testing.assert_array_equal(one.image, other.image)
            assert one.time == other.time
        with open_sink(tmp_path / "b.mp4", folder.info, container="mp4", encoding=FAST) as sink:
            for frame in back:
                sink.write(frame)
    assert probe(tmp_path / "b.mp4").bits == 10
    assert times(tmp_path / "b.mp4") == [frame.time for frame in frames]
    with open_source(tmp_path / "b.mp4") as film:
        colours = patch_colours(next(iter(film)).image)
    assert np.abs(colours - patch_colours(frames[0].image)).max() < 3 * 257


def test_memory_stays_bounded_when_sound_lies_far_away(tmp_path):
    """Sound at the end of the file, as some cameras write it: packets are fetched when they are due."""
    source = make_film(tmp_path / "a.mp4", times=250, companions=[Sound(seconds=Fraction(10))])
    from ppvsr.video.muxer import Companions

    with Companions(probe(source), [1]) as sound:
        for second in range(1, 10):
            assert 40 < sum(1 for _ in sound.until(Fraction(second))) < 50
        assert sum(1 for _ in sound.until(None)) > 40
