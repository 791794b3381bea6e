"""What a video codec does to a clip: encoded and decoded in memory."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from ppvsr.errors import DataError
from ppvsr.video.color import FromRGB, ToRGB
from ppvsr.video.frames import Color

COLOR = Color("bt709", "tv", "bt709", "bt709")
RATE = Fraction(25)


def h264(frames: NDArray[np.uint8], crf: float, preset: str) -> NDArray[np.uint8]:
    """Encode a clip with libx264 as 4:2:0 and decode it; (t, h, w, 3) RGB in and out, as many frames as came in.

    The same clip gives the same result every time.
    Odd heights and widths are made even by repeating the last row or column, which is cut off again.
    Raises DataError when FFmpeg has no libx264.
    """
    count, height, width, _ = frames.shape
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    pictures = _decode(_encode(even, {"crf": f"{crf:g}", "preset": preset}))
    if len(pictures) != count:
        raise DataError(f"H264: {count} frames went into libx264 and {len(pictures)} came back")
    rgb = ToRGB(even.shape[2], even.shape[1], COLOR)
    return np.stack([rgb(picture)[:height, :width] for picture in pictures])


def _encode(frames: NDArray[np.uint8], options: dict[str, str]) -> list[av.Packet]:
    try:
        encoder = av.CodecContext.create("libx264", "w")
    except av.codec.codec.UnknownCodecError as error:
        raise DataError("H264: this FFmpeg has no libx264; `pip install av` brings one that has") from error
    encoder.width, encoder.height, encoder.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
    encoder.framerate, encoder.time_base = RATE, 1 / RATE
    # With its macroblock tree libx264 reads memory that it did not write: small clips came out differently each time.
    encoder.options = {**options, "x264-params": "mbtree=0"}
    encoder.thread_count = 1  # the loader's workers are the threads, and the result must not depend on their number
    yuv = FromRGB("yuv420p", COLOR)
    packets = []
    for number, image in enumerate(frames):
        picture = yuv(image)
        picture.pts = number
        packets += encoder.encode(picture)
    return packets + encoder.encode(None)


def _decode(packets: list[av.Packet]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    return [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
