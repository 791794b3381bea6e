"""Colours, against float64 arithmetic of our own and through the whole way out and back."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from ppvsr.video.color import FromRGB, ToRGB, assume, encoded
from ppvsr.video.encoder import Encoding
from ppvsr.video.frames import Color
from ppvsr.video.open import open_source, probe
from ppvsr.video.output import open_sink
from tests.video.films import make_film, patch_colours, patches

WEIGHTS = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}
NUMBERS = {"bt709": 1, "smpte170m": 6, "bt2020nc": 9}
SIZE = 64


def to_yuv(rgb, matrix, range_, bits):
    """Exact samples for RGB in 0..1, as floats."""
    red, blue = WEIGHTS[matrix]
    r, g, b = np.moveaxis(rgb, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / 2 / (1 - blue), (r - y) / 2 / (1 - red)
    top = 2**bits - 1
    step = 2 ** (bits - 8)
    scales = (top, 0, top) if range_ == "pc" else (219 * step, 16 * step, 224 * step)
    return y * scales[0] + scales[1], u * scales[2] + 128 * step, v * scales[2] + 128 * step


def to_rgb(planes, matrix, range_, bits):
    """The inverse."""
    red, blue = WEIGHTS[matrix]
    top, step = 2**bits - 1, 2 ** (bits - 8)
    scales = (top, 0, top) if range_ == "pc" else (219 * step, 16 * step, 224 * step)
    y = (planes[0] - scales[1]) / scales[0]
    u, v = ((plane - 128 * step) / scales[2] for plane in planes[1:])
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    return np.clip(np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], -1), 0, 1)


def yuv_frame(planes, name, matrix, range_):
    frame = av.VideoFrame(SIZE, SIZE, name)
    dtype = np.uint8 if name == "yuv444p" else np.uint16
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.zeros((SIZE, plane.line_size // np.dtype(dtype).itemsize), dtype)
        rows[:, :SIZE] = samples
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = NUMBERS[matrix], {"tv": 1, "pc": 2}[range_]
    return frame


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize(("name", "bits"), [("yuv444p", 8), ("yuv444p10le", 10), ("yuv444p12le", 12)])
def test_conversion_is_right_both_ways(matrix, range_, name, bits):
    rgb = np.random.default_rng(0).random((SIZE, SIZE, 3))
    rgb[:4], rgb[4:8] = 0, 1
    planes = [np.round(plane) for plane in to_yuv(rgb, matrix, range_, bits)]
    top = 255 if bits == 8 else 65535
    level = top / (2**bits - 1)
    color = Color(matrix, range_)

    found = ToRGB(SIZE, SIZE, assume(Color(), SIZE))(yuv_frame(planes, name, matrix, range_))
    error = found - to_rgb(planes, matrix, range_, bits) * top
    assert np.abs(error).max() <= 1.1 * level
    assert abs(error.mean()) <= 0.1 * level
    assert found[:4].max() <= 0.5 * level and found[4:8].min() >= top - 0.5 * level

    frame = FromRGB(name, encoded(color, SIZE, name))((rgb * top).round().astype(found.dtype))
    back = [np.frombuffer(plane, found.dtype).reshape(SIZE, -1)[:, :SIZE] for plane in frame.planes]
    error = np.stack(back) - np.stack(to_yuv(rgb, matrix, range_, bits))
    assert np.abs(error).max() <= 1.2
    assert np.abs(error.mean((1, 2))).max() <= 0.1


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv420p10le", "yuv444p"])
def test_reduced_chroma_is_neither_darker_nor_shifted(name):
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    smooth = np.stack([y, x, 1 - y * x], -1)
    dtype, top = (np.uint16, 65535) if "10" in name else (np.uint8, 255)
    image = (smooth * top).round().astype(dtype)
    color = encoded(Color("bt709", "tv"), SIZE, name)
    error = (ToRGB(SIZE, SIZE, color)(FromRGB(name, color)(image)).astype(float) - image) / top * 255
    assert np.abs(error.mean((0, 1))).max() < 0.2
    assert np.abs(error).max() <= 5


@pytest.mark.parametrize(
    ("said", "lines", "wanted"),
    [
        (Color(), 719, Color("smpte170m", "tv", "smpte170m", "smpte170m")),
        (Color(), 720, Color("bt709", "tv", "bt709", "bt709")),
        (Color("bt709"), 480, Color("bt709", "tv", "bt709", "bt709")),
        (Color("smpte170m", "pc"), 1080, Color("smpte170m", "pc", "smpte170m", "smpte170m")),
        (Color("bt2020nc", "tv", "bt2020", "smpte2084"), 2160, Color("bt2020nc", "tv", "bt2020", "smpte2084")),
        (Color("bt2020c", "tv", "bt2020"), 2160, Color("bt2020nc", "tv", "bt2020", "bt2020-10")),
        (Color("gbr", "pc"), 480, Color("bt709", "tv", "bt709", "bt709")),
    ],
)
def test_what_is_not_said_is_assumed_by_the_source(said, lines, wanted):
    assert assume(said, lines) == wanted


def test_rgb_formats_stay_rgb():
    assert encoded(Color("bt709", "tv"), 480, "gbrp") == Color("gbr", "pc", "bt709", "bt709")


# FFmpeg's numbers for matrix, range, primaries and transfer, and what they are called; an untagged film is small.
TAGS = {
    "601": ((6, 1, 6, 6), Color("smpte170m", "tv", "smpte170m", "smpte170m")),
    "709": ((1, 1, 1, 1), Color("bt709", "tv", "bt709", "bt709")),
    "709 full": ((1, 2, 1, 1), Color("bt709", "pc", "bt709", "bt709")),
    "PQ": ((9, 1, 9, 16), Color("bt2020nc", "tv", "bt2020", "smpte2084")),
    "HLG": ((9, 1, 9, 18), Color("bt2020nc", "tv", "bt2020", "arib-std-b67")),
    "untagged": ((), Color("smpte170m", "tv", "smpte170m", "smpte170m")),
}
ATTRIBUTES = ("colorspace", "color_range", "color_primaries", "color_trc")


def copy(source, target, encoding, container="mp4"):
    """Read and write as it is; returns the first frames of both."""
    with open_source(source) as film, open_sink(target, film.info, container=container, encoding=encoding) as sink:
        for number, frame in enumerate(film):
            first = first if number else frame  # noqa: F821
            sink.write(frame)
    with open_source(target) as film:
        return first, next(iter(film))


@pytest.mark.slow
@pytest.mark.parametrize("kind", TAGS)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_tags_and_colours_survive(kind, container, tmp_path):
    numbers, wanted = TAGS[kind]
    tags = dict(zip(ATTRIBUTES, numbers, strict=False))
    pix_fmt = "yuv420p10le" if kind in ("PQ", "HLG") else "yuv420p"
    source = make_film(tmp_path / "a.mp4", times=3, tags=tags, pix_fmt=pix_fmt, size=(128, 96), options={"crf": "1"})
    before, after = copy(source, tmp_path / "b.x", Encoding(crf=1), container)
    assert probe(tmp_path / "b.x").color == wanted
    scale = 257 if pix_fmt == "yuv420p10le" else 1
    colours = [patch_colours(frame.image) / scale for frame in (before, after)]
    assert np.abs(colours[1] - colours[0]).max() <= 3
    assert np.abs(colours[0] - patch_colours(patches(128, 96))).max() <= 4


def test_ten_bits_stay_ten_bits(tmp_path):
    def ramp(number):
        return np.broadcast_to((np.arange(1024) * 64)[None, :, None], (64, 1024, 3)).astype(np.uint16)

    source = make_film(
        tmp_path / "a.mkv", times=2, pictures=ramp, pix_fmt="yuv420p10le", size=(1024, 64), codec="ffv1",
        tags={"colorspace": 1, "color_range": 1},
    )  # fmt: skip
    before, after = copy(source, tmp_path / "b.mp4", Encoding(crf=1))
    assert probe(tmp_path / "b.mp4").bits == 10
    levels = [np.unique(frame.image[32, :, 1]) for frame in (before, after)]
    assert levels[0].size > 800 and levels[1].size > 700
    assert np.abs(after.image.astype(int) - before.image).max() <= 4 * 64
    assert np.abs(after.image.astype(int) - before.image).mean() < 64


@pytest.mark.parametrize("size", [(64, 48), (64, 720)], ids=["SD", "HD"])
def test_the_rule_looks_at_the_sources_lines(size, tmp_path):
    """An untagged film of few lines is BT.601, and stays so when it has grown."""
    source = make_film(tmp_path / "a.mp4", times=1, size=size, tags={"colorspace": 2})
    with open_source(source) as film, open_sink(tmp_path / "b.mp4", film.info, container="mp4") as sink:
        for frame in film:
            sink.write(replace(frame, image=np.repeat(np.repeat(frame.image, 2, 0), 2, 1)))
    assert probe(tmp_path / "b.mp4").color.matrix == ("bt709" if size[1] == 720 else "smpte170m")


def test_other_formats_on_request(tmp_path):
    source = make_film(tmp_path / "a.mp4", times=2, rate=Fraction(10))
    for codec, pix_fmt, bits in (
        ("libx264", "yuv444p10le", 10),
        ("ffv1", "gbrp10le", 10),
        ("libx265", "yuv422p12le", 12),
    ):
        encoding = Encoding(codec=codec, crf=None, pix_fmt=pix_fmt)
        before, after = copy(source, tmp_path / "b.mkv", encoding, "mkv")
        info = probe(tmp_path / "b.mkv")
        assert info.bits == bits and pix_fmt in info.streams[0].detail
        colours = [
            patch_colours(frame.image) / (1 if frame.image.dtype == np.uint8 else 257) for frame in (before, after)
        ]
        assert np.abs(colours[1] - colours[0]).max() <= 16
