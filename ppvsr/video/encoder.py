"""Encoders of pictures: which there are, what they can do, how they are set up, and frames into packets."""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2

from ppvsr.errors import UsageError
from ppvsr.video.color import FromRGB, bits, encoded, set_tags
from ppvsr.video.ffmpeg import exact, reason
from ppvsr.video.frames import Frame, VideoInfo

# What an ending means to FFmpeg, and the codec when none is asked for.
MUXERS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm"}
CODECS = {"webm": "libvpx-vp9"}
DEFAULT_CODEC = "libx264"

# Containers in which Apple's players look for HEVC under one of its two tags only.
APPLE = {"mp4", "mov"}

# Pixel formats in the order they are preferred: what most players show.  10 bits also when the source has more.
SHALLOW = ("yuv420p", "yuv422p", "yuv444p")
DEEP = ("yuv420p10le", "p010le", "yuv422p10le", "yuv444p10le")
# 4:2:0 with an odd width or height is refused by most codecs.
ODD = {SHALLOW: ("yuv444p",), DEEP: ("yuv444p10le",)}
ANY_SIZE = {"libvpx", "libvpx-vp9", "ffv1", "mpeg4"}

# With AVX-512, x264's weighing of blocks by their future ("mbtree") looks beyond the ends of rows at widths that are no
# multiples of 128, so that leftovers in memory decide about the film. What else such processors can do is sound.
TRUSTED = "MMX2,SSE2Fast,LZCNT,SSSE3,SSE4.2,AVX,FMA3,BMI1,BMI2,AVX2"
AVX512 = 256  # OpenCV's number for it (CV_CPU_AVX512_SKX), which has no name in Python
REPEATABLE = {"x264-params": f"asm={TRUSTED}"} if cv2.checkHardwareSupport(AVX512) else {}
# The best and the worst --crf of encoders that cut off others, or refuse them without a reason.
QUALITIES = {
    "libx264": (0, 51),
    "libx264rgb": (0, 51),
    "libx265": (0, 51),
    "libvpx": (4, 63),
    "libvpx-vp9": (0, 63),
    "libaom-av1": (0, 63),
    "libsvtav1": (0, 63),
}
# Some libraries write to the terminal on their own.
ALWAYS = {"libx264": REPEATABLE, "libx264rgb": REPEATABLE, "libx265": {"x265-params": "log-level=none"}}
QUIET_ENVIRONMENT = {"libsvtav1": ("SVT_LOG", "0")}


@dataclass(frozen=True)
class Encoding:
    """How pictures are to be encoded.

    codec: FFmpeg's name of an encoder; None chooses by container.  crf, preset: for codecs that know them, None leaves
    the codec's own default.  pix_fmt: None is yuv420p, with 10 bits for sources of more than 8, and 4:4:4 where the
    codec takes 4:2:0 only in even sizes.
    """

    codec: str | None = None
    crf: int | None = 16
    preset: str | None = None
    pix_fmt: str | None = None

    def codec_in(self, container: str) -> str:
        """The codec for a container ("mp4", "webm", ...)."""
        return self.codec or CODECS.get(container, DEFAULT_CODEC)

    def options(self, codec: str) -> dict[str, str]:
        """The options to open `codec` with."""
        wanted = {"crf": self.crf, "preset": self.preset}
        return {**ALWAYS.get(codec, {}), **{key: str(value) for key, value in wanted.items() if value is not None}}


def check_encoder(encoding: Encoding, container: str, info: VideoInfo, size: tuple[int, int]) -> list[str]:
    """Open the encoder as the writer will, in memory, and return lines for the user.

    size: width and height of the result.  Raises UsageError for whatever cannot be done.
    """
    if container == "png":
        return []
    with av.open(io.BytesIO(), "w", format=MUXERS[container]) as output:
        stream = add_video(output, encoding, container, info, size)
        with usage(stream):
            stream.codec_context.open()
        return list(remarks(encoding, stream, info))


class PictureEncoder:
    """Turns frames into packets, on the source's clock and for the kind of file that `container` names.

    size: width and height.  head: what all packets have in common; two encoders' packets fit together if it is equal.
    Raises UsageError for encoders that refuse.
    """

    def __init__(self, encoding: Encoding, container: str, info: VideoInfo, size: tuple[int, int]):
        self._info = info
        self._film = av.open(io.BytesIO(), "w", format=MUXERS[container])  # nothing is written there
        self._stream = add_video(self._film, encoding, container, info, size)
        with usage(self._stream):
            self._stream.codec_context.open()
        self.head = head(self._stream)
        pix_fmt = self._stream.codec_context.pix_fmt
        self._convert = FromRGB(pix_fmt, encoded(info.color, info.height, pix_fmt))
        self._pts: int | None = None

    def encode(self, frame: Frame) -> tuple[int, int, list[av.Packet]]:
        """Encode one frame; returns its time and duration in ticks, and the packets that are ready."""
        base = self._info.time_base
        picture = self._convert(frame.image)
        pts = round(frame.time / base)
        self._pts = pts if self._pts is None else max(pts, self._pts + 1)
        picture.time_base, picture.pts = base, self._pts
        length = frame.duration or 1 / self._info.rate
        return self._pts, round(length / base), self._stream.encode(picture)

    def flush(self) -> list[av.Packet]:
        """The packets that are left; then the encoder is done."""
        return self._stream.encode(None)

    def close(self) -> None:
        """Let go of the encoder."""
        self._film.close()


def head(stream: av.VideoStream) -> dict[str, Any]:
    """What the packets of an open encoder have in common, as JSON values."""
    context = stream.codec_context
    base = exact(context.time_base) or Fraction(1)
    return {
        "codec": context.name,
        "size": [context.width, context.height],
        "pix_fmt": context.pix_fmt,
        "time_base": [base.numerator, base.denominator],
        "extradata": (context.extradata or b"").hex(),
    }


def add_video(
    output: av.container.OutputContainer, encoding: Encoding, container: str, info: VideoInfo, size: tuple[int, int]
) -> av.VideoStream:
    """Add the stream of the enhanced film, `size` (width, height), with the source's clock, shape and colours."""
    encoder = find_codec(encoding.codec_in(container))
    codec = encoder.name
    check_quality(codec, encoding.crf)
    pix_fmt = pick_pix_fmt(encoder, encoding.pix_fmt, info.bits > 8, size)
    if codec in QUIET_ENVIRONMENT:
        os.environ.setdefault(*QUIET_ENVIRONMENT[codec])
    try:
        stream = output.add_stream(codec, rate=info.rate, options=encoding.options(codec), time_base=info.time_base)
    except ValueError as error:
        raise UsageError(f"--codec {codec}: {container} cannot hold it; choose another --container") from error
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt = pix_fmt
    if context.codec.canonical_name == "hevc" and container in APPLE:
        context.codec_tag = "hvc1"
    context.sample_aspect_ratio = info.sample_aspect
    set_tags(context, encoded(info.color, info.height, pix_fmt))
    if info.display_matrix:
        stream.set_display_matrix(info.display_matrix)
    return stream


def find_codec(name: str) -> av.Codec:
    """The encoder of that name; UsageError with a close name when there is none."""
    try:
        codec = av.Codec(name, "w")
    except (av.codec.codec.UnknownCodecError, ValueError):
        codec = None
    if codec is None or codec.type != "video":
        known = [each for each in av.codecs_available if is_video_encoder(each)]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "try libx264, libx265, libsvtav1 or libvpx-vp9"
        raise UsageError(f"--codec {name}: this FFmpeg has no such encoder of pictures; {hint}")
    return codec


def check_quality(codec: str, crf: int | None) -> None:
    """Raise UsageError for a quality that a codec does not have, as far as that is known."""
    if crf is None or codec not in QUALITIES:
        return
    best, worst = QUALITIES[codec]
    if not best <= crf <= worst:
        raise UsageError(f"--crf {crf}: of {codec} it is {best} (best) to {worst}; choose one of these")


def is_video_encoder(name: str) -> bool:
    """Whether pictures can be encoded with a codec."""
    try:
        return av.Codec(name, "w").type == "video"
    except (av.codec.codec.UnknownCodecError, ValueError):
        return False


def pick_pix_fmt(codec: av.Codec, wanted: str | None, deep: bool, size: tuple[int, int]) -> str:
    """The pixel format to encode in; raises UsageError when the codec lacks the `wanted` one."""
    known = [each.name for each in codec.video_formats or ()]
    if wanted and known and wanted not in known:
        raise UsageError(f"--pix-fmt {wanted}: {codec.name} cannot do it (it can: {', '.join(known)})")
    odd = any(side % 2 for side in size) and codec.name not in ANY_SIZE
    depths = (DEEP, SHALLOW) if deep else (SHALLOW, DEEP)
    order = [name for each in depths for name in ((ODD[each] if odd else ()) + each)]
    return wanted or next((name for name in order if name in known), known[0] if known else order[0])


def remarks(encoding: Encoding, stream: av.VideoStream, info: VideoInfo) -> Iterator[str]:
    """What a user should know of an encoder that is open."""
    codec, context = stream.codec_context.name, stream.codec_context
    for option in ("crf", "preset"):
        if option in context.options:
            yield f"{codec} has no option {option}; {context.options[option]} is ignored"
    if info.bits > 8 and bits(context.pix_fmt) == 8:
        yield f"{codec} stores 8 of the source's {info.bits} bits here: smooth areas may show bands"
    if context.pix_fmt in ("yuv444p", "yuv444p10le") and not encoding.pix_fmt:
        yield f"encoded as {context.pix_fmt}, because {codec} needs even sizes for 4:2:0"


@contextmanager
def usage(stream: av.VideoStream) -> Iterator[None]:
    """Say what was asked of an encoder that refuses to open."""
    context = stream.codec_context
    asked = f"--codec {context.name} with {context.pix_fmt} at {context.width}x{context.height}"
    preset = f", --preset {context.options['preset']}" if "preset" in context.options else ""
    try:
        yield
    except (av.FFmpegError, ValueError, OSError) as error:
        raise UsageError(f"{asked}: the encoder refuses ({reason(error)}{preset}); choose another one") from error
