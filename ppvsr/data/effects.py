"""What operations do to frames (t, h, w, 3), 0..255: blur, noise, JPEG, H.264, bicubic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ppvsr.errors import DataError
from ppvsr.resize import resize
from ppvsr.video.color import FromRGB, ToRGB
from ppvsr.video.frames import Color

# ---- What a video codec does to a clip: encoded and decoded in memory.

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


# ---- What operations do to pixels: (t, h, w, 3), 0..255, uint8 or float32 in, either out; nothing is drawn but noise.

Pixels = NDArray[Any]  # (t, h, w, 3), uint8 or float32, 0..255

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SHARPEST = 0.05  # a Gaussian of this sigma is one sample wide


def to_bytes(frames: Pixels) -> NDArray[np.uint8]:
    """Clip and round, halves up as MATLAB does; bytes stay as they are."""
    if frames.dtype == np.uint8:
        return frames
    return np.floor(np.clip(frames, 0, 255) + 0.5).astype(np.uint8)


def unchanged(frames: Pixels, rng: Generator) -> Pixels:
    """Do nothing."""
    return frames


def gaussian(along: float, across: float, angle: float) -> NDArray[np.float32]:
    """A square kernel of sum 1 that reaches three sigma far; `along` lies in direction `angle`, in radians."""
    along, across = max(along, SHARPEST), max(across, SHARPEST)
    reach = math.ceil(3 * max(along, across))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))
    return (kernel / kernel.sum()).astype(np.float32)


def blurred(frames: Pixels, rng: Generator, *, kernel: NDArray[np.float32]) -> Pixels:
    """Filter every frame; edges are repeated. Returns float32."""
    floats = frames.astype(np.float32)
    return np.stack([cv2.filter2D(each, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE) for each in floats])


def scaled(frames: Pixels, rng: Generator, *, factor: float, kernel: int) -> Pixels:
    """Resize every frame by OpenCV. Returns float32."""
    size = [max(1, round(side * factor)) for side in (frames.shape[2], frames.shape[1])]
    return np.stack([cv2.resize(each, size, interpolation=kernel) for each in frames.astype(np.float32)])


def noisy(frames: Pixels, rng: Generator, *, amounts: tuple[float, float], gray: bool) -> Pixels:
    """Add Gaussian and shot noise, both as standard deviations in levels, the latter at white. Returns float32."""
    gauss, shot = amounts
    frames = frames.astype(np.float32)
    signal = frames @ LUMA[:, None] if gray else frames
    noise = rng.standard_normal(signal.shape, np.float32)
    if shot:  # so many photons that their number is as good as normally distributed
        noise *= np.sqrt(gauss**2 + np.clip(signal, 0, 255) * np.float32(shot**2 / 255))
    else:
        noise *= np.float32(gauss)
    return np.clip(frames + noise, 0, 255)


def through_jpeg(frames: Pixels, rng: Generator, *, quality: int) -> Pixels:
    """Compress every frame and read it again. Returns uint8."""
    coded = []
    for image in to_bytes(frames):
        _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        coded.append(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1])
    return np.stack(coded)


def through_h264(frames: Pixels, rng: Generator, *, crf: float, preset: str) -> Pixels:
    """Compress the clip and read it again. Returns uint8."""
    return h264(to_bytes(frames), crf, preset)


def fitted(frames: Pixels, height: int, width: int) -> Pixels:
    """Resize every frame by MATLAB's bicubic, unless it has the size already. Bytes stay bytes, rounded once."""
    if frames.shape[1:3] == (height, width):
        return frames
    return np.stack([resize(each, height, width) for each in frames])


def bicubic_down(frames: Pixels, rng: Generator, *, scale: int) -> Pixels:
    """BI: MATLAB's bicubic."""
    return fitted(frames, frames.shape[1] // scale, frames.shape[2] // scale)


def gaussian_down(frames: Pixels, rng: Generator, *, scale: int, sigma: float) -> Pixels:
    """BD: every `scale`-th sample of a Gaussian with an even number of taps. Returns float32."""
    reach = math.ceil(3 * sigma)
    taps = np.exp(-0.5 * ((np.arange(-reach, reach + 2) - 0.5) / sigma) ** 2)
    taps /= taps.sum()
    padded = np.pad(frames, ((0, 0), (reach, reach + 1), (reach, reach + 1), (0, 0)), mode="edge").astype(np.float64)
    for axis, side in ((1, frames.shape[1]), (2, frames.shape[2])):
        columns = np.moveaxis(padded, axis, 0)
        starts = range(scale // 2 - 1, scale // 2 - 1 + len(taps))
        end = scale * (side // scale - 1) + 1
        sums = sum(columns[start : start + end : scale] * tap for start, tap in zip(starts, taps, strict=True))
        padded = np.moveaxis(np.asarray(sums), 0, axis)
    return padded.astype(np.float32)
