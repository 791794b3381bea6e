"""Small films for tests that are not about films."""

from fractions import Fraction

import av
import numpy as np


def pictures(count, height=32, width=48, dtype=np.uint8):
    """Moving gradients: smooth, so that compression does not disturb, and different in every frame and channel."""
    top = np.iinfo(dtype).max
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        red, green, blue = (x + i) / (width + count), (y + i) / (height + count), (x + y) / (width + height)
        yield (np.stack([red, green, blue], axis=2) * top).astype(dtype)


def make_film(path, count=6, *, height=32, width=48, rate=Fraction(25), sound=False):
    """Write a film by FFmpeg's defaults for the ending of `path`; return the path."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=rate, options={"crf": "10"})
        video.height, video.width, video.pix_fmt = height, width, "yuv420p"
        audio = film.add_stream("aac", rate=48000, layout="mono") if sound else None
        for image in pictures(count, height, width):
            film.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        film.mux(video.encode())
        if audio:
            samples = int(48000 * count / rate)
            tone = (0.1 * np.sin(np.arange(samples) * 0.05)).astype(np.float32)[None]
            for first in range(0, samples, 1024):
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, first : first + 1024]), "fltp", "mono")
                frame.sample_rate, frame.pts = 48000, first
                film.mux(audio.encode(frame))
            film.mux(audio.encode())
    return path


def streams(path):
    """Return [(kind, codec, width, frames), ...] of a film, frames counted by decoding."""
    with av.open(str(path)) as film:
        counts = {stream.index: 0 for stream in film.streams}
        for packet in film.demux():
            counts[packet.stream.index] += len(packet.decode()) if packet.stream.type == "video" else packet.size > 0
        return [
            (s.type, s.codec_context.name, getattr(s.codec_context, "width", 0), counts[s.index]) for s in film.streams
        ]
