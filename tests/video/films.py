"""Small films of every kind, made with PyAV alone so that they do not share our code's mistakes."""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from ppvsr.video.ffmpeg import exact

PATCHES = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 128, 128], [200, 120, 60], [30, 90, 180]]
)


def patches(width=64, height=48, offset=0, dtype=np.uint8):
    """Eight vertical stripes of known colours, starting with stripe `offset`; large enough to survive 4:2:0."""
    stripe = (np.arange(width) * 8 // width + offset) % 8
    scale = 257 if dtype == np.uint16 else 1
    return np.broadcast_to(PATCHES[stripe] * scale, (height, width, 3)).astype(dtype)


def patch_colours(image):
    """The colour in the middle of each of the eight stripes."""
    height, width = image.shape[:2]
    return image[height // 2, (np.arange(8) * 2 + 1) * width // 16].astype(int)


@dataclass
class Sound:
    """A track of sound that lasts `seconds` from `start` on."""

    start: Fraction = Fraction(0)
    seconds: Fraction = Fraction(1)
    codec: str = "aac"
    language: str | None = None
    rate: int = 48000


@dataclass
class Subtitles:
    """Lines of text: (start, end, text)."""

    lines: tuple = ((0.1, 0.3, "one"), (0.5, 0.8, "two"))
    codec: str = "mov_text"
    language: str | None = None


def make_film(
    path,
    *,
    times=10,
    rate=Fraction(25),
    time_base=None,
    size=(64, 48),
    codec="libx264",
    pix_fmt="yuv420p",
    options=None,
    tags=None,
    pictures=None,
    companions=(),
    chapters=(),
    metadata=None,
    aspect=None,
    matrix=None,
    muxer=None,
    muxer_options=None,
    gop=None,
    last=None,
):
    """Write a film and return its path.

    times: the pictures' times in seconds, or how many there are at `rate`.  tags: FFmpeg's numbers, by attribute name.
    pictures: a function of a frame's number, giving RGB.  last: the last picture's duration.
    companions: Sound and Subtitles.  chapters: (start, end, title), in milliseconds.
    """
    if isinstance(times, int):
        times = [n / rate for n in range(times)]
    with av.open(str(path), "w", format=muxer, options=muxer_options or {}) as film:
        film.metadata.update(metadata or {})
        base = time_base or 1 / rate
        video = film.add_stream(codec, rate=rate, time_base=base, options=options or {})
        video.width, video.height = size
        video.pix_fmt = pix_fmt
        if gop:
            video.codec_context.gop_size = gop
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        for name, value in (tags or {}).items():
            setattr(video.codec_context, name, value)
        if matrix:
            video.set_display_matrix(matrix)
        tracks = [(each, add_companion(film, each)) for each in companions]
        if chapters:
            film.set_chapters([chapter(n, *each) for n, each in enumerate(chapters)])
        film.start_encoding()
        pictures = pictures or (lambda number: patches(*size, offset=number))
        packets = lasting(last, video_packets(video, times, base, pictures, tags or {}))
        for companion, stream in tracks:
            packets += MAKERS[type(companion)](companion, stream)
        for packet in sorted(packets, key=lambda packet: packet.dts * exact(packet.time_base)):
            film.mux(packet)
    return path


def video_packets(stream, times, base, pictures, tags):
    space, full = tags.get("colorspace", 5), tags.get("color_range", 1)
    for number, time in enumerate(times):
        image = pictures(number)
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(image), format="rgb48le" if image.dtype == np.uint16 else "rgb24"
        )
        flags = 4 | 1 << 13 | 1 << 14 | 1 << 18
        frame.colorspace = 5 if space == 2 else space
        frame = frame.reformat(
            format=stream.pix_fmt,
            dst_color_range=full,
            interpolation=flags,
        )
        frame.pts, frame.time_base = round(time / base), base
        yield from stream.encode(frame)
    yield from stream.encode(None)


def lasting(seconds, packets):
    """Give the packet that is shown last a duration."""
    packets = list(packets)
    if seconds:
        shown_last = max(packets, key=lambda packet: packet.pts)
        shown_last.duration = round(seconds / exact(shown_last.time_base))
    return packets


def add_companion(film, companion):
    if isinstance(companion, Sound):
        stream = film.add_stream(companion.codec, rate=companion.rate)
        stream.codec_context.layout = "mono"
        known = [each.name for each in stream.codec_context.codec.audio_formats]
        stream.codec_context.format = next(each for each in ("fltp", "s16", "s16p") if each in known)
    else:
        stream = film.add_mux_stream(companion.codec, time_base=Fraction(1, 1000))
    if companion.language:
        stream.metadata["language"] = companion.language
    return stream


def sound_packets(sound, stream):
    step, base = 1024, Fraction(1, sound.rate)
    packets = []
    for number in range(int(sound.seconds * sound.rate) // step):
        wave = np.sin(np.arange(number * step, (number + 1) * step) * 2 * np.pi * 440 / sound.rate) / 2
        form = stream.codec_context.format.name
        data = wave[None].astype(np.float32) if form.startswith("flt") else (wave * 32767)[None].astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), format=form, layout="mono")
        frame.sample_rate, frame.time_base = sound.rate, base
        frame.pts = round(sound.start * sound.rate) + number * step
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def subtitle_packets(subtitles, stream):
    packets = []
    for start, end, text in subtitles.lines:
        data = text.encode()
        packet = av.Packet(len(data).to_bytes(2, "big") + data if subtitles.codec == "mov_text" else data)
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        packet.stream = stream
        packets.append(packet)
    return packets


MAKERS = {Sound: sound_packets, Subtitles: subtitle_packets}


def chapter(number, start, end, title):
    return {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
