"""RGB from FFmpeg's frames and back: matrices, ranges and tags, never left to a guess of the converter."""

from __future__ import annotations

import os
from dataclasses import replace

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from ppvsr.video.frames import Color, Image

# FFmpeg's numbers (AVColorSpace, AVColorRange, AVColorPrimaries, AVColorTransferCharacteristic) and names.
MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
    10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
}  # fmt: skip
RANGES = {1: "tv", 2: "pc"}
PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
TRANSFERS = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316",
    11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
    17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip

# The share of red and of blue in luma, for the matrices that can be converted.
WEIGHTS: dict[str | None, tuple[float, float]] = {
    "bt709": (0.2126, 0.0722), "fcc": (0.30, 0.11), "bt470bg": (0.299, 0.114), "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087), "bt2020nc": (0.2627, 0.0593),
}  # fmt: skip
RED, BLUE = np.array([1, 0, 0]), np.array([0, 0, 1])

# What goes with a matrix where a film does not say: (primaries, transfer).
COMPANIONS = {
    "bt709": ("bt709", "bt709"), "bt470bg": ("bt470bg", "smpte170m"), "smpte170m": ("smpte170m", "smpte170m"),
    "smpte240m": ("smpte240m", "smpte240m"), "fcc": ("bt470m", "bt470m"), "bt2020nc": ("bt2020", "bt2020-10"),
}  # fmt: skip
HD_LINES = 720

# Bicubic, full chroma on both sides, accurate rounding, bit exact. Numbers, because old PyAV has no names for them.
# Without accurate rounding 4:2:0 turns out a whole level too dark.
FLAGS = 1 << 2 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 19
# Threads that find no free core make the converter slower, and the codecs need some too.
THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))


def tags(holder: av.VideoFrame | av.VideoCodecContext) -> Color:
    """What a frame or a codec says of its colours."""
    return Color(
        MATRICES.get(int(holder.colorspace)),
        RANGES.get(int(holder.color_range)),
        PRIMARIES.get(int(holder.color_primaries)),
        TRANSFERS.get(int(holder.color_trc)),
    )


def set_tags(holder: av.VideoFrame | av.VideoCodecContext, color: Color) -> None:
    """Write the tags that `color` names; None leaves a tag as it is."""
    for name, table, value in (
        ("colorspace", MATRICES, color.matrix),
        ("color_range", RANGES, color.range),
        ("color_primaries", PRIMARIES, color.primaries),
        ("color_trc", TRANSFERS, color.transfer),
    ):
        if value is not None:
            setattr(holder, name, number(table, value))


def number(table: dict[int, str], name: str | None) -> int:
    """FFmpeg's number for a name of one of the tables above."""
    return next(key for key, value in table.items() if value == name)


def assume(color: Color, lines: int) -> Color:
    """Fill in what an untagged film leaves open: BT.601 below 720 lines, else BT.709; limited range.

    lines: height of the source.  RGB and matrices the converter lacks become BT.709 (BT.2020 for its relatives).
    """
    matrix = color.matrix or ("bt709" if lines >= HD_LINES else "smpte170m")
    if matrix not in WEIGHTS:
        matrix = "bt2020nc" if color.primaries == "bt2020" else "bt709"
    primaries, transfer = COMPANIONS[matrix]
    range_ = "tv" if color.matrix == "gbr" else color.range or "tv"
    return Color(matrix, range_, color.primaries or primaries, color.transfer or transfer)


def encoded(color: Color, lines: int, name: str) -> Color:
    """The colours to encode a film in: the source's, completed, as far as pixel format `name` can hold them."""
    full = is_rgb(name) or name.startswith("yuvj")
    color = assume(color, lines)
    return replace(color, matrix="gbr" if is_rgb(name) else color.matrix, range="pc" if full else color.range)


def is_rgb(name: str) -> bool:
    """Whether a pixel format holds RGB (or a palette of it)."""
    return av.VideoFormat(name).is_rgb or name == "pal8"


def has_alpha(name: str) -> bool:
    """Whether a pixel format holds transparency."""
    return len(av.VideoFormat(name).components) in (2, 4) or name == "pal8"


def bits(name: str) -> int:
    """Bits per sample of a pixel format."""
    return 8 if name == "pal8" else max(part.bits for part in av.VideoFormat(name).components)


class ToRGB:
    """Turn decoded frames into RGB arrays of one size.

    color: as `assume` filled it in, for frames without tags of their own.
    """

    def __init__(self, width: int, height: int, color: Color):
        self._size = {"width": width, "height": height}
        self._color = color
        self._convert = av.video.reformatter.VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Image:
        """Return (h, w, 3), uint8, or uint16 over the full 0..65535 for more than 8 bits."""
        name, said = frame.format.name, tags(frame)
        deep = bits(name) > 8
        matrix = said.matrix if said.matrix in WEIGHTS else self._color.matrix
        full = name.startswith("yuvj") or (said.range or self._color.range) == "pc"
        if not is_rgb(name):
            frame.colorspace = number(MATRICES, matrix)
        picture = self._convert.reformat(
            frame,
            **self._size,
            format="rgb48le" if deep else "rgb24",
            src_color_range=number(RANGES, "pc" if full else "tv"),
            dst_color_range=number(RANGES, "pc"),
            interpolation=FLAGS,
            threads=THREADS,
        ).to_ndarray()
        return stretch(picture, 65535 / white(name, full)) if deep and not is_rgb(name) else picture


class FromRGB:
    """Turn RGB arrays into frames of pixel format `name`, in the colours that `encoded` gave for it.

    FFmpeg's converter does limited range in 8 bits to half a level; for full range and for more bits it is off by more
    than one, so there the matrix is ours, and only chroma is left to the converter.
    """

    def __init__(self, name: str, color: Color):
        self._name = name
        self._color = color
        self._full = color.range == "pc"
        self._has_chroma = color.matrix in WEIGHTS and len(av.VideoFormat(name).components) > 2
        self._convert = av.video.reformatter.VideoReformatter()

    def __call__(self, image: Image) -> av.VideoFrame:
        """Convert one (h, w, 3) image, uint8 or uint16."""
        by_hand = self._has_chroma and (self._full or image.dtype == np.uint16)
        source = self._yuv444(image) if by_hand else av_frame(image, "rgb24", "rgb48le")
        set_tags(source, self._color)  # from where the converter takes the matrix; not every PyAV has names for all
        frame = self._convert.reformat(
            source,
            format=self._name,
            # What is in its range already is called limited: of full range the converter would scale luma once more.
            src_color_range=number(RANGES, "tv" if by_hand else "pc"),
            dst_color_range=number(RANGES, "tv" if by_hand else self._color.range),
            interpolation=FLAGS,
            threads=THREADS,
        )
        set_tags(frame, self._color)
        return frame

    def _yuv444(self, image: Image) -> av.VideoFrame:
        depth = bits(self._name)
        if depth > 8 and image.dtype == np.uint8:
            image = image.astype(np.uint16) * 257
        step = 1 if image.dtype == np.uint8 else 1 << (16 - depth)
        samples = yuv_matrix(self._color.matrix, depth, full=self._full) * step
        samples[:, :3] /= np.iinfo(image.dtype).max
        return av_frame(cv2.transform(image, samples), "yuv444p", "yuv444p16le")


def yuv_matrix(name: str | None, depth: int, *, full: bool) -> NDArray[np.float64]:
    """The (3, 4) matrix from RGB in 0..1 and 1 to YUV samples of `depth` bits."""
    red, blue = WEIGHTS[name]
    luma = np.array([red, 1 - red - blue, blue])
    step = 1 << (depth - 8)
    top = (1 << depth) - 1
    scale, black, chroma = (top, 0, top) if full else (219 * step, 16 * step, 224 * step)
    rows = [luma * scale, (BLUE - luma) / (2 - 2 * blue) * chroma, (RED - luma) / (2 - 2 * red) * chroma]
    return np.column_stack([rows, [black, 128 * step, 128 * step]])


def av_frame(image: Image, shallow: str, deep: str) -> av.VideoFrame:
    """A frame of the pixel format for 8 or for 16 bits from an (h, w, 3) array."""
    name = shallow if image.dtype == np.uint8 else deep
    planar = {"channel_last": True} if name == "yuv444p" else {}
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=name, **planar)


def white(name: str, full: bool) -> int:
    """What the converter makes of white in pixel format `name` when it writes 16 bits, measured.

    For limited range it is 255 * 256, for full range the largest sample moved to the top; never 65535.
    """
    depth = bits(name)
    is_gray = len(av.VideoFormat(name).components) < 3
    return ((1 << depth) - 1) << (16 - depth) if full or is_gray else 255 << 8


def stretch(image: Image, factor: float) -> Image:
    """Multiply 16-bit samples, rounded and clipped."""
    return cv2.multiply(image, (factor, factor, factor, 0.0), dtype=cv2.CV_16U)
