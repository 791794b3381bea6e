"""What lies beside the pictures comes out again: tracks, subtitles, chapters, fonts, covers, metadata."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from ppvsr.video.encoder import Encoding
from ppvsr.video.ffmpeg import exact, is_cover
from ppvsr.video.open import describe, probe
from tests.video.enlarging import enlarge, payload
from tests.video.films import Sound, Subtitles, make_film


def test_all_tracks_languages_titles_and_dispositions(tmp_path):
    companions = [Sound(language="deu"), Sound(language="jpn", rate=44100), Subtitles(language="fra")]
    source = make_film(tmp_path / "a.mp4", companions=companions, metadata={"title": "Ein Titel", "artist": "jemand"})
    target, notes = enlarge(source)
    assert notes == [] and target.suffix == ".mp4"
    for kind in ("audio", "subtitle"):
        assert payload(target, kind) == payload(source, kind) != []
    with av.open(str(source)) as before, av.open(str(target)) as after:
        assert [s.type for s in after.streams] == [s.type for s in before.streams]
        assert [s.metadata["language"] for s in after.streams] == ["und", "deu", "jpn", "fra"]
        assert [int(s.disposition) for s in after.streams] == [int(s.disposition) for s in before.streams]
        assert (after.metadata["title"], after.metadata["artist"]) == ("Ein Titel", "jemand")
    assert describe(target)[1:] == describe(source)[1:]


def test_text_subtitles_of_matroska_make_a_matroska(tmp_path):
    companions = [Sound(language="deu"), Subtitles(codec="srt", language="fra")]
    source = make_film(tmp_path / "a.mkv", companions=companions)
    target, notes = enlarge(source)
    assert target.suffix == ".mkv"
    assert notes == ["written as mkv, because mp4 cannot hold stream 2 (subrip subtitle)"]
    assert payload(target, "subtitle") == payload(source, "subtitle") == [(2, b"one"), (2, b"two")]


def test_a_container_that_was_asked_for_says_what_it_loses(tmp_path):
    source = make_film(tmp_path / "a.mkv", companions=[Sound(), Subtitles(codec="srt")])
    assert enlarge(source, "mp4")[1] == ["stream 2 (subrip subtitle) is left out: mp4 cannot hold it"]
    assert enlarge(source, "webm", encoding=Encoding(crf=30))[1] == [
        "stream 1 (aac audio) is left out: webm cannot hold it",
        "stream 2 (subrip subtitle) is left out: webm cannot hold it",
    ]


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_chapters(container, tmp_path):
    source = make_film(tmp_path / "a.mp4", times=25, chapters=[(0, 400, "eins"), (400, 1000, "zwei")])
    target, notes = enlarge(source, container)
    assert notes == []
    with av.open(str(target)) as film:
        found = [
            (
                each["start"] * exact(each["time_base"]),
                each["end"] * exact(each["time_base"]),
                each["metadata"]["title"],
            )
            for each in film.chapters()
        ]
    assert found == [(0, Fraction(2, 5), "eins"), (Fraction(2, 5), 1, "zwei")]


def test_fonts_and_covers_travel_along(tmp_path):
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as film:
        video = film.add_stream("mpeg4", rate=25, width=64, height=48)
        film.add_attachment("a font.ttf", "font/ttf", b"letters")
        for _ in range(3):
            film.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        film.mux(video.encode(None))
    target, notes = enlarge(source)
    assert target.suffix == ".mkv" and len(notes) == 1
    with av.open(str(target)) as film:
        assert [each.data for each in film.streams.attachments] == [b"letters"]
        assert film.streams.attachments[0].metadata["filename"] == "a font.ttf"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_cover_pictures_stay_covers(container, tmp_path):
    source = tmp_path / "a.mp4"
    jpeg = cv2.imencode(".jpg", np.full((32, 32, 3), 200, np.uint8))[1].tobytes()
    with av.open(str(source), "w") as film:
        video = film.add_stream("mpeg4", rate=25, width=64, height=48)
        cover = film.add_stream("mjpeg", rate=1, width=32, height=32, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        film.start_encoding()
        packet = av.Packet(jpeg)
        packet.stream, packet.pts, packet.dts, packet.time_base = cover, 0, 0, Fraction(1)
        film.mux(packet)
        for _ in range(3):
            film.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        film.mux(video.encode(None))
    assert (probe(source).width, probe(source).height) == (64, 48)
    target, notes = enlarge(source, container)
    assert notes == []
    assert (probe(target).width, probe(target).height) == (128, 96)
    with av.open(str(target)) as film:
        cover = film.streams.video[1]
        assert is_cover(cover)
        assert jpeg in [bytes(packet) for packet in film.demux(cover)]
