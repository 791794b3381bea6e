"""Work on a film in segments, and what tests then look at."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ppvsr.video.ffmpeg import exact
from ppvsr.video.frames import Frame
from ppvsr.video.output import open_work

IDENTITY = {"input": {"size": 1000}, "--crf": 20, "versions": ["1", "2"]}
# What every kind of file is tried with: container, encoder, pixel format.
KINDS = [
    ("mp4", "libx264", None),
    ("mp4", "libx265", None),
    ("mp4", "libsvtav1", None),
    ("mp4", "libvpx-vp9", None),
    ("mp4", "mpeg4", None),
    ("mkv", "libx264", None),
    ("mkv", "libx265", None),
    ("mkv", "ffv1", "yuv422p10le"),
    ("mkv", "libvpx", None),
    ("mkv", "mjpeg", "yuvj420p"),
    ("mkv", "libx264rgb", None),
    ("mov", "libx264", None),
    ("mov", "libx265", "yuv420p10le"),
    ("mov", "prores_ks", None),
    ("mov", "prores", None),
    ("mov", "mjpeg", "yuvj420p"),
    ("mov", "png", None),
    ("mov", "qtrle", None),
    ("webm", "libvpx-vp9", None),
    ("webm", "libvpx-vp9", "yuva420p"),
    ("webm", "libsvtav1", None),
    ("webm", "libvpx", None),
]
TICK = Fraction(1, 12800)


def moving(count, *, size=(64, 48), first=0, seed=0):
    """Frames of a texture that moves, with grain, at 25 frames a second."""
    generator = np.random.default_rng(seed)
    width, height = size
    ground = generator.integers(0, 256, (height // 8 + 2, width // 8 + count // 4 + 8, 3), np.uint8)
    ground = ground.repeat(8, 0).repeat(8, 1)
    for number in range(count):
        image = ground[:height, 2 * number : 2 * number + width] // 2 + generator.integers(
            0, 16, (height, width, 3), np.uint8
        )
        if number >= first:
            yield Frame(np.ascontiguousarray(image), Fraction(number, 25), Fraction(1, 25))


def write_in_segments(target, info, frames, sizes, *, container=None, encoding=None, identity=IDENTITY, **options):
    """Work on segments of the given sizes, leaving out what is finished, and publish; returns the work."""
    frames = iter(frames)
    container = container or target.suffix.removeprefix(".")
    with open_work(target, info, container=container, encoding=encoding, identity=identity, **options) as work:
        for number, size in enumerate(sizes):
            piece = [next(frames) for _ in range(size)]
            if work.has(number):
                continue
            with work.segment(number) as sink:
                for frame in piece:
                    sink.write(frame)
        work.publish()
    return work


def decoded(path):
    """(time after the first frame, digest) of every frame that FFmpeg decodes, and what it complained of."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as complaints, av.open(str(path)) as film:
            found = [(frame.pts * exact(frame.time_base), digest(frame)) for frame in film.decode(video=0)]
    finally:
        av.logging.set_level(level)
    return [(time - found[0][0], each) for time, each in found], [
        each for each in complaints if "deprecated" not in each[2]
    ]


def digest(frame):
    return hashlib.sha256(np.ascontiguousarray(frame.to_ndarray()).tobytes()).hexdigest()


def packets(path):
    """(pts, dts, whether a key frame) of the pictures' packets, in the order of decoding."""
    with av.open(str(path)) as film:
        return [(each.pts, each.dts, each.is_keyframe) for each in film.demux(video=0) if each.size]


def listing(folder):
    """All that lies in a folder, by name."""
    return sorted(str(each.relative_to(folder)) for each in Path(folder).rglob("*"))
