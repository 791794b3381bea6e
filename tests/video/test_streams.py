"""A table of films: whatever a film has, the enlarged one has too, unless its row says otherwise."""

import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from ppvsr.video.ffmpeg import exact
from ppvsr.video.frames import Color
from ppvsr.video.open import open_source
from tests.video.enlarging import enlarge
from tests.video.films import Sound, Subtitles, make_film

ROBUST = Path(__file__).parents[1] / "data/robust"
MILLI = Fraction(1, 1000)
INTERLACED = "the film is interlaced; every pair of fields is made one progressive frame (bwdif)"
HALF = Fraction(1, 2)


def film(suffix="mp4", **options):
    return lambda folder: make_film(folder / f"a.{suffix}", **options)


def robust(name):
    return lambda folder: shutil.copy(ROBUST / name, folder / name)


def turned(*numbers):
    return film(matrix=(*numbers[:2], 0, *numbers[2:], 0, 0, 0, 1 << 30))


ONE = 1 << 16
TIMES = [Fraction(n, 1000) for n in (0, 33, 50, 133, 500, 501)]
LATE = [Fraction(1, 4) + Fraction(n, 25) for n in range(10)]
NEGATIVE = [Fraction(n, 25) - HALF for n in range(10)]
SDR, UHD = {"colorspace": 1, "color_primaries": 1, "color_trc": 1}, {"colorspace": 9, "color_primaries": 9}
DEEP = {"codec": "ffv1", "suffix": "mkv"}
TEN = {"codec": "libx265", "options": {"x265-params": "log-level=none"}, "pix_fmt": "yuv420p10le"}

# What it is: (how to make it, what of it changes, lines that are said).
GENERATED = {
    "variable rate": (film(times=TIMES, time_base=MILLI), {}, []),
    "23.976": (film(rate=Fraction(24000, 1001)), {}, []),
    "29.97": (film(rate=Fraction(30000, 1001)), {}, []),
    "59.94": (film(rate=Fraction(60000, 1001)), {}, []),
    "sound earlier": (film(times=LATE, time_base=Fraction(1, 12800), companions=[Sound()]), {}, []),
    "sound later": (film(companions=[Sound(start=Fraction(1, 4))], times=25), {}, []),
    "begins below zero": (film("mkv", times=NEGATIVE, time_base=MILLI, codec="ffv1"), {}, []),
    "edit list": (film("mov", times=LATE, time_base=Fraction(1, 12800), companions=[Sound()]), {}, []),
    "tracks": (
        film(companions=[Sound(language="deu"), Sound(language="jpn"), Subtitles(language="fra")], times=25),
        {},
        [],
    ),
    "text subtitles": (film("mkv", companions=[Subtitles(codec="subrip", language="fra")], times=25), {}, [1]),
    "chapters": (film(chapters=[(0, 200, "one"), (200, 400, "two")]), {}, []),
    "0 degrees": (turned(ONE, 0, 0, ONE), {"turn": None}, []),
    "90 degrees": (turned(0, ONE, -ONE, 0), {}, []),
    "180 degrees": (turned(-ONE, 0, 0, -ONE), {}, []),
    "270 degrees": (turned(0, -ONE, ONE, 0), {}, []),
    "mirrored": (turned(-ONE, 0, 0, ONE), {}, []),
    "pixel shape": (film(aspect=Fraction(64, 45)), {}, []),
    "odd size": (film("mkv", codec="ffv1", size=(63, 47), pix_fmt="yuv444p"), {}, []),
    "8 bits 4:2:2": (film(pix_fmt="yuv422p"), {}, []),
    "10 bits 4:2:0": (film(**TEN), {}, []),
    "10 bits 4:2:2": (film(**TEN | {"pix_fmt": "yuv422p10le"}), {}, []),
    "10 bits 4:4:4": (film(**DEEP, pix_fmt="yuv444p10le"), {}, []),
    "12 bits": (film(**DEEP, pix_fmt="yuv420p12le"), {"bits": 10}, []),
    "rgb": (film(**DEEP, pix_fmt="bgr0"), {"color": Color("bt709", "tv", "bt709", "bt709")}, []),
    "gray": (film(**DEEP, pix_fmt="gray"), {}, []),
    "full range": (film(tags={"color_range": 2, **SDR}), {}, []),
    "BT.601": (film(tags={"colorspace": 6, "color_primaries": 6, "color_trc": 6, "color_range": 1}), {}, []),
    "BT.709": (film(tags={**SDR, "color_range": 1}), {}, []),
    "HDR10": (film(**TEN, tags={**UHD, "color_trc": 16, "color_range": 1}), {}, []),
    "HLG": (film(**TEN, tags={**UHD, "color_trc": 18, "color_range": 1}), {}, []),
    "alpha in webm": (film("webm", codec="libvpx-vp9", pix_fmt="yuva420p"), {}, ["transparency is dropped"]),
    "alpha in prores": (
        film("mov", codec="prores_ks", pix_fmt="yuva444p10le"),
        {"bits": 10},
        ["transparency is dropped"],
    ),
    "gif": (
        film("gif", codec="gif", pix_fmt="rgb8"),
        {"color": Color("bt709", "tv", "bt709", "bt709")},
        ["transparency is dropped"],
    ),
}
ROBUST_FILMS = {
    "chapters.mkv": ({}, []),
    "codec_3gp_h263.3gp": ({}, []),
    "dovi_iphone.mov": ({"tracks": ["aac"]}, ["metadata that is not carried over: Dolby Vision"]),
    "hdr10_single_frame.mp4": ({}, ["metadata that is not carried over: mastering display, content light level"]),
    "hdr_h264_10bit.mp4": ({}, []),
    "mk_odd_427x239_vp9.webm": ({}, []),
    "mk_vfr_audio.mp4": ({}, []),
    "odd_vp9.webm": ({}, []),
    "rot_090.mov": ({}, []),
    "rot_270.mov": ({}, []),
    "tiny_1x1.mp4": ({}, []),
    "ts_iibbibb_editlist.mp4": ({}, []),
    "ts_unordered.mov": ({}, []),
}


def facts(path):
    """What a film shall keep."""
    with open_source(path) as source:
        info = source.info
        times = [frame.time for frame in source]
        assert source.damage is None
    color = info.color
    with av.open(str(path)) as opened:
        sounds = opened.streams.audio
        others = [each for each in opened.streams if each.type in ("audio", "subtitle")]
        return {
            "times": times,
            "rate": info.rate,
            "size": (info.width, info.height),
            "bits": info.bits,
            "color": color,
            "shape": info.sample_aspect,
            "turn": info.display_matrix,
            "tracks": [each.codec_context.codec.canonical_name for each in others],
            "languages": [each.metadata.get("language", "und") for each in others],
            "starts": [(each.start_time or 0) * exact(each.time_base) - info.zero for each in sounds],
            "chapters": [each["metadata"]["title"] for each in opened.chapters()],
        }


def steady(times):
    steps = [after - before for before, after in pairwise(times)]
    return max(steps, default=1) < 2 * min(steps, default=1)


def check(path, changes, lines):
    before = facts(path)
    target, notes = enlarge(path, scale=1)
    after = facts(target)
    assert len(notes) == lines[0] if lines and isinstance(lines[0], int) else set(lines) <= set(notes)
    tick = Fraction(1, 500) if target.suffix in (".mkv", ".webm") or path.suffix in (".mkv", ".webm") else 0
    limits = {"times": tick, "starts": max(tick, Fraction(1, 12000))}  # sound is cut to the pictures' clock
    for name, wanted in (before | changes).items():
        if name in ("times", "starts"):
            assert len(after[name]) == len(wanted)
            assert max([abs(a - b) for a, b in zip(after[name], wanted, strict=True)], default=0) <= limits[name], name
        elif name == "rate":  # an average where it varies, rounded in Matroska
            assert abs(after[name] / wanted - 1) < (Fraction(1, 500) if steady(before["times"]) else 1), name
        elif name == "color":  # what a film leaves open is filled in
            said = {part: value for part, value in vars(wanted).items() if value}
            assert {part: getattr(after[name], part) for part in said} == said
        else:
            assert after[name] == wanted, name


@pytest.mark.slow
@pytest.mark.parametrize("kind", GENERATED)
def test_a_film_keeps_what_it_has(kind, tmp_path):
    make, changes, lines = GENERATED[kind]
    check(make(tmp_path), changes, lines)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROBUST_FILMS)
def test_films_from_elsewhere_keep_what_they_have(name, tmp_path):
    check(Path(robust(name)(tmp_path)), *ROBUST_FILMS[name])


def combed(number, size=(64, 48)):
    """Two fields of a bar that moves by eight pixels from one to the other."""
    image = np.full((size[1], size[0], 3), 40, np.uint8)
    for field in (0, 1):
        place = (8 * (2 * number + field)) % (size[0] - 16)
        image[field::2, place : place + 16] = 220
    return image


def combs(image):
    rows = image.astype(int)
    return np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean()


INTERLACED_FILMS = {
    "mkv": {"codec": "libx264", "options": {"x264-params": "tff=1:interlaced=1", "crf": "5"}},
    "ts": {"codec": "libx264", "options": {"x264-params": "tff=1:interlaced=1", "crf": "5"}},
    "mp4": {"codec": "libx264", "options": {"x264-params": "bff=1:interlaced=1", "crf": "5"}},
}


@pytest.mark.parametrize("suffix", INTERLACED_FILMS)
def test_interlaced_films_are_made_progressive_at_the_same_times(suffix, tmp_path):
    path = make_film(
        tmp_path / f"a.{suffix}", pictures=combed, time_base=Fraction(1, 90000), **INTERLACED_FILMS[suffix]
    )
    with av.open(str(path)) as opened:
        raw = [frame for frame in opened.decode(video=0)]
    assert all(frame.interlaced_frame for frame in raw) and combs(raw[5].to_ndarray(format="rgb24")) > 10
    with open_source(path) as source:
        frames = list(source)
        assert source.notes == [INTERLACED] and source.damage is None
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(10)]
    assert all(combs(frame.image) < 3 for frame in frames[1:-1])
    with open_source(path, start=frames[3].time, frames=4) as source:
        assert [frame.time for frame in source] == [Fraction(n, 25) for n in range(4)]


def test_a_part_ends_its_subtitles(tmp_path):
    lines = ((0.0, 0.1, "short"), (0.1, 3.0, "long"), (0.9, 1.2, "never"))
    path = make_film(tmp_path / "a.mkv", times=50, companions=[Subtitles(lines=lines, codec="subrip")])
    target, _ = enlarge(path, frames=10)
    with av.open(str(target)) as opened:
        found = [(bytes(p), p.pts, p.duration) for p in opened.demux() if p.stream.type == "subtitle" and p.size]
    assert found == [(b"short", 0, 100), (b"long", 100, 300)]


@pytest.mark.parametrize("part", [{"frames": 5}, {"start": HALF, "frames": 5}], ids=str)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "avi", "ts"])
def test_a_part_takes_its_sound_from_every_container(suffix, part, tmp_path):
    codec, rate = ("libmp3lame", 44100) if suffix in ("flv", "avi") else ("aac", 48000)
    sound = Sound(seconds=Fraction(2), codec=codec, rate=rate)
    path = make_film(tmp_path / f"a.{suffix}", times=50, companions=[sound], time_base=Fraction(1, 90000), gop=5)
    target, notes = enlarge(path, **part)
    assert not any("empty" in note for note in notes)
    with av.open(str(target)) as opened:
        ends = [(p.pts + p.duration) * exact(p.time_base) for p in opened.demux(audio=0) if p.size]
    assert ends[0] < Fraction(1, 10) and Fraction(1, 5) <= ends[-1] < Fraction(3, 10)
