"""Films joined from segments: every kind of file, times, reordering across the seams, what travels along."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from ppvsr.errors import VideoError
from ppvsr.video.encoder import Encoding
from ppvsr.video.frames import Frame
from ppvsr.video.open import open_source, probe
from ppvsr.video.output import open_sink
from ppvsr.video.segments import SegmentWriter, Timeline, read_head, read_packets, read_places
from tests.video.enlarging import payload, starts, times
from tests.video.films import Sound, Subtitles, make_film
from tests.video.working import KINDS, TICK, decoded, moving, packets, write_in_segments

SIZES = (7, 1, 1, 12, 9)
MILLISECOND = Fraction(1, 1000)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "film.mp4"
    return make_film(path, times=30, time_base=TICK, companions=[Sound(seconds=Fraction(6, 5))])


def encoding_of(codec, pix_fmt=None):
    crf = {"crf": 30 if codec == "libsvtav1" else 16}
    return Encoding(codec=codec, pix_fmt=pix_fmt, **crf)


@pytest.mark.slow
@pytest.mark.parametrize(("container", "codec", "pix_fmt"), KINDS)
def test_a_film_of_segments_decodes_like_its_segments_one_by_one(container, codec, pix_fmt, source, tmp_path):
    info, frames, encoding = probe(source), list(moving(sum(SIZES))), encoding_of(codec, pix_fmt)
    target = tmp_path / f"whole.{container}"
    work = write_in_segments(target, info, frames, SIZES, encoding=encoding)
    found, complaints = decoded(target)
    assert complaints == []
    tick = TICK if container in ("mp4", "mov") else MILLISECOND
    assert [abs(time - frame.time) <= tick for (time, _), frame in zip(found, frames, strict=True)] == [True] * 30
    numbers = [pts for pts, _, _ in packets(target)]
    keys = {sorted(numbers).index(pts) for pts, _, key in packets(target) if key}
    assert keys >= {sum(SIZES[:n]) for n in range(len(SIZES))}
    dts = [each for _, each, _ in packets(target) if each is not None]  # Matroska keeps none of the first ones
    assert all(before < after for before, after in pairwise(dts))
    alone = []
    for n, size in enumerate(SIZES):
        piece = tmp_path / f"{n}.{container}"
        with open_sink(piece, info, container=container, encoding=encoding) as sink:
            for frame in frames[sum(SIZES[:n]) :][:size]:
                sink.write(frame)
        alone += [digest for _, digest in decoded(piece)[0]]
    assert [digest for _, digest in found] == alone
    assert work.notes == (["stream 1 (aac audio) is left out: webm cannot hold it"] if container == "webm" else [])
    assert not (tmp_path / f"whole.{container}.ppvsr").exists()


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_times_are_exact_however_they_vary(codec, container, tmp_path):
    generator = np.random.default_rng(5)
    steps = generator.integers(40, 900, 40)
    instants = [Fraction(int(each), 16000) for each in np.cumsum(steps) - steps[0]]
    source = make_film(
        tmp_path / "a.mp4", times=instants, time_base=Fraction(1, 16000), options={"bf": "0"}, last=Fraction(1, 10)
    )
    frames = [
        Frame(each.image, time, Fraction(int(step), 16000))
        for each, time, step in zip(moving(40), instants, [*steps[1:], 1600], strict=True)
    ]
    target = tmp_path / f"b.{container}"
    write_in_segments(target, probe(source), frames, (5, 20, 1, 14), encoding=Encoding(codec=codec))
    if container == "mkv":
        assert [abs(a - b) <= MILLISECOND / 2 for a, b in zip(times(target), instants, strict=True)] == [True] * 40
    else:
        assert times(target) == instants
        with open_source(target) as film:
            assert [frame.duration for frame in film][-1] == Fraction(1, 10)
    assert decoded(target)[1] == []


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
def test_what_travels_along_is_the_same_as_in_one_go(container, tmp_path):
    codec = {"mkv": "subrip"}.get(container, "mov_text")
    source = make_film(
        tmp_path / f"a.{container}",
        times=[Fraction(1, 2) + Fraction(n, 25) for n in range(30)],
        time_base=TICK,
        companions=[Sound(start=Fraction(1, 4), language="deu"), Subtitles(codec=codec, language="fra")],
        chapters=[(0, 600, "one"), (600, 1200, "two")],
        metadata={"title": "T"},
        matrix=(0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30),
        aspect=Fraction(16, 11),
    )
    with open_source(source) as film:
        frames, info = list(film), film.info
    one, many = tmp_path / f"one.{container}", tmp_path / f"many.{container}"
    write_in_segments(one, info, frames, (30,))
    assert write_in_segments(many, info, frames, (7, 13, 10)).notes == []
    assert payload(many, "audio") == payload(one, "audio") == payload(source, "audio")
    assert payload(many, "subtitle") == payload(one, "subtitle") != []
    assert other_times(many) == other_times(one)
    assert starts(many) == starts(one) and times(many) == times(one)
    for name in ("display_matrix", "sample_aspect", "rate", "color", "streams"):
        assert getattr(probe(many), name) == getattr(probe(one), name), name
    with av.open(str(many)) as film:
        assert [each["metadata"]["title"] for each in film.chapters()] == ["one", "two"]
        assert film.metadata["title"] == "T"


def other_times(path):
    with av.open(str(path)) as film:
        others = [each for each in film.streams if each.type in ("audio", "subtitle")]
        return sorted(
            (each.stream_index, each.pts, each.dts, each.duration) for each in film.demux(others) if each.size
        )


@pytest.mark.parametrize(
    "part", [{"start": Fraction(1)}, {"frames": 40}, {"start": Fraction(1), "frames": 40}], ids=str
)
def test_parts_of_films_take_their_sound_along(part, tmp_path):
    source = make_film(tmp_path / "a.mp4", times=100, companions=[Sound(seconds=Fraction(4))], gop=10)
    with open_source(source, **part) as film:
        frames, info = list(film), film.info
    half = len(frames) // 2
    one, many = tmp_path / "one.mp4", tmp_path / "many.mp4"
    write_in_segments(one, info, frames, (len(frames),))
    write_in_segments(many, info, frames, (half, len(frames) - half))
    assert payload(many, "audio") == payload(one, "audio") != []
    assert other_times(many) == other_times(one) and starts(many) == starts(one)


def test_frames_that_meet_at_a_seam_are_moved_apart(source, tmp_path):
    instants = [0, 1, 2, 2, 2, 3, 10]
    frames = [Frame(each.image, time * TICK, TICK) for each, time in zip(moving(7), instants, strict=True)]
    write_in_segments(tmp_path / "a.mp4", probe(source), frames, (3, 1, 3))
    assert times(tmp_path / "a.mp4") == [each * TICK for each in (0, 1, 2, 3, 4, 5, 10)]


def write_segment(path, info, frames, *, codec="libx264"):
    writer = SegmentWriter(path, path, info, container="mp4", encoding=Encoding(codec=codec))
    for frame in frames:
        writer.write(frame)
    writer.finish()
    writer.close()
    return path


def test_decoding_precedes_showing_as_in_the_most_reordered_segment(source, tmp_path):
    frames = list(moving(20))
    parts = [write_segment(tmp_path / str(n), probe(source), frames[n : n + m]) for n, m in ((0, 1), (1, 12), (13, 7))]
    places = list(Timeline(parts, lasting=False))
    assert [pts for pts, _, _ in places] == [pts for each in parts for pts, _ in read_places(each)]
    assert sorted(pts for pts, _, _ in places) == [512 * n for n in range(20)]
    dts = [each for _, each, _ in places]
    assert dts == [512 * n - 1024 for n in range(20)] and all(dts <= pts for pts, dts, _ in places)


def test_packets_come_out_of_a_segment_as_they_went_in(source, tmp_path):
    path = write_segment(tmp_path / "a", probe(source), moving(9))
    with av.open(str(tmp_path / "b.mkv"), "w") as film:
        video = film.add_stream("libx264", rate=25)
        video.width, video.height = read_head(path)["size"]
        decoder = av.CodecContext.create("h264", "r")
        decoder.extradata = bytes.fromhex(read_head(path)["extradata"])
        pictures = [each for packet in read_packets(path) for each in decoder.decode(packet)] + decoder.decode(None)
    assert len(pictures) == 9 and [each.is_keyframe for each in read_packets(path)] == [True] + [False] * 8
    assert [(each.pts, each.duration) for each in read_packets(path)] == read_places(path)


def test_transparency_beside_the_pictures_is_kept(source, tmp_path):
    encoding = Encoding(codec="libvpx-vp9", pix_fmt="yuva420p")
    writer = SegmentWriter(tmp_path / "a", tmp_path / "a", probe(source), container="webm", encoding=encoding)
    for frame in moving(3):
        writer.write(frame)
    writer.finish()
    assert [each.has_sidedata("matroska_block_additional") for each in read_packets(tmp_path / "a")] == [True] * 3


def test_segments_that_were_encoded_otherwise_are_not_joined(source, tmp_path):
    frames = list(moving(6))
    with pytest.raises(VideoError, match=r"000001: was encoded otherwise than 000000; --overwrite starts anew"):
        write_in_segments(
            tmp_path / "a.mp4", probe(source), frames[:3] + list(moving(6, size=(96, 64), first=3)), (3, 3)
        )
    assert (tmp_path / "a.mp4.ppvsr").exists() and not (tmp_path / "a.mp4").exists()


def test_a_file_that_is_no_segment_is_told(tmp_path):
    (tmp_path / "a").write_bytes(b"ppvsr segment 9\n" + bytes(100))
    with pytest.raises(VideoError, match="a: is not a segment; --overwrite starts anew"):
        read_head(tmp_path / "a")


def test_a_picture_that_stays_in_the_encoder_is_noticed(source, tmp_path, monkeypatch):
    monkeypatch.setattr("ppvsr.video.encoder.PictureEncoder.flush", lambda self: [])
    with pytest.raises(VideoError, match=r"a: \d of 9 frames came out of the encoder"):
        write_segment(tmp_path / "a", probe(source), moving(9))
