"""Small sound films of many kinds, and ways to break them: the same seed breaks them in the same way."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tests.video.films import Sound, Subtitles, make_film

SOUND = Sound(seconds=Fraction(1, 2))
MP3 = Sound(seconds=Fraction(1, 2), codec="libmp3lame")
SEEDS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"companions": [SOUND, Subtitles(lines=((0.1, 0.3, "one"),))], "chapters": [(0, 200, "a")]},
    "fragments.mp4": {"companions": [SOUND], "muxer_options": {"movflags": "frag_keyframe+empty_moov"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "turned.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "matrix": (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "h264.mkv": {"companions": [SOUND, Subtitles(codec="subrip", lines=((0.1, 0.3, "one"),))]},
    "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "yuv444p10le"},
    "vp8.webm": {"codec": "libvpx", "companions": [Sound(seconds=Fraction(1, 2), codec="libopus")]},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "h264.ts": {"time_base": Fraction(1, 90000), "companions": [SOUND]},
    "mpeg2.mpg": {"codec": "mpeg2video", "companions": [Sound(seconds=Fraction(1, 2), codec="mp2")]},
    "mpeg4.avi": {"codec": "mpeg4", "companions": [MP3]},
    "flv1.flv": {"codec": "flv1", "companions": [Sound(seconds=Fraction(1, 2), codec="libmp3lame", rate=44100)]},
    "wmv2.wmv": {"codec": "wmv2"},
    "raw.h264": {},
    "moving.gif": {"codec": "gif", "pix_fmt": "rgb8"},
}
# What stands before or after a length, a count or a time, in the containers above.
MARKS = [
    *(b"moov", b"trak", b"mdia", b"stbl", b"mvhd", b"tkhd", b"mdhd", b"elst", b"stsd", b"stts", b"ctts", b"stsc"),
    *(b"stsz", b"stco", b"avcC", b"hvcC", b"moof", b"traf", b"tfhd", b"tfdt", b"trun", b"mdat", b"chpl", b"colr"),
    *(b"LIST", b"RIFF", b"avih", b"strh", b"strf", b"idx1", b"00dc", b"01wb", b"\x00\x00\x01", b"\x47", b"\x2c"),
    *(b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b", b"\x18\x53\x80\x67", b"\x15\x49\xa9\x66", b"\xa3", b"\xe7"),
    *(b"\xb0", b"\xba", b"\x2a\xd7\xb1", b"\x23\xe3\x83", b"\x00\x00\x00\x01", b"\x21\xf9\x04"),
]  # fmt: skip
NUMBERS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1]


@dataclass(frozen=True)
class Seed:
    """A sound film: its ending, its bytes, and where its packets lie."""

    name: str
    data: bytes
    packets: tuple[slice, ...]


def make_seeds(folder: Path) -> list[Seed]:
    """Make the sound films in a folder."""
    seeds = []
    for name, options in SEEDS.items():
        path = make_film(folder / name, times=12, gop=4, **{"size": (64, 48), **options})
        with av.open(str(path)) as film:
            places = [(packet.pos, packet.size) for packet in film.demux() if packet.size and packet.pos is not None]
        packets = tuple(slice(pos, pos + size) for pos, size in places if pos >= 0)
        seeds.append(Seed(name, path.read_bytes(), packets))
    return seeds


def flip(data: bytearray, rng: random.Random, seed: Seed) -> None:
    """Change single bits, anywhere or in the first part, where the headers are."""
    reach = rng.choice([len(data), min(len(data), 2000)])
    for _ in range(rng.choice([1, 2, 8, 64])):
        data[rng.randrange(reach)] ^= 1 << rng.randrange(8)


def some(data: bytearray, rng: random.Random) -> slice:
    """A range of the data, short or long."""
    first = rng.randrange(len(data))
    return slice(first, first + rng.choice([1, 4, 40, 400, len(data) // 4 + 1]))


def overwrite(data: bytearray, rng: random.Random, seed: Seed) -> None:
    """Put noise, zeros or ones over a range."""
    place = some(data, rng)
    size = len(data[place])
    data[place] = rng.choice([rng.randbytes(size), bytes(size), b"\xff" * size])


def cut(data: bytearray, rng: random.Random, seed: Seed) -> None:
    """Lose the end."""
    del data[rng.randrange(1, len(data)) :]


def remove(data: bytearray, rng: random.Random, seed: Seed) -> None:
    """Lose a range."""
    del data[some(data, rng)]


def double(data: bytearray, rng: random.Random, seed: Seed) -> None:
    """Have a range twice, the second time somewhere else."""
    place, goal = some(data, rng), rng.randrange(len(data))
    data[goal:goal] = data[place]


def exchange(data: bytearray, rng: random.Random, seed: Seed) -> None:
    """Swap the payloads of two packets, or move one packet's into another."""
    if len(seed.packets) > 1:
        one, other = rng.sample(seed.packets, 2)
        first, second = bytes(data[one]), bytes(data[other])
        if len(first) == one.stop - one.start and len(second) == other.stop - other.start:  # still all there
            data[one], data[other] = (
                second[: len(first)].ljust(len(first), b"\0"),
                first[: len(second)].ljust(len(second)),
            )


def miscount(data: bytearray, rng: random.Random, seed: Seed) -> None:
    """Put an extreme number beside a mark of the container."""
    marks = [each for each in MARKS if each in data]
    if marks:
        mark = rng.choice(marks)
        places = [at for at in range(len(data)) if data.startswith(mark, at)]
        size = rng.choice([1, 2, 4, 8])
        at = rng.choice(places) + rng.choice([-4, len(mark), len(mark), len(mark) + 4, len(mark) + rng.randrange(40)])
        data[max(at, 0) : max(at, 0) + size] = (rng.choice(NUMBERS) % (1 << 8 * size)).to_bytes(size, "big")


OPERATIONS: list[Callable[[bytearray, random.Random, Seed], None]] = [
    flip, flip, overwrite, cut, remove, double, exchange, miscount, miscount, miscount
]  # fmt: skip


def mutate(seeds: list[Seed], rng: random.Random) -> tuple[str, bytes]:
    """Break one of the films; return its name and its bytes."""
    seed = rng.choice(seeds)
    data = bytearray(seed.data)
    if rng.random() < 0.05:  # one film continues as another
        other = rng.choice(seeds).data
        data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]
    for _ in range(rng.choice([1, 1, 2, 4])):
        if data:
            rng.choice(OPERATIONS)(data, rng, seed)
    return seed.name, bytes(data)
