"""Read a film, enlarge it, write it; and what tests then look at."""

from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np

from ppvsr.video.encoder import Encoding
from ppvsr.video.ffmpeg import exact
from ppvsr.video.muxer import choose_container
from ppvsr.video.open import open_source
from ppvsr.video.output import open_sink

FAST = Encoding(crf=1, preset="ultrafast")


def enlarge(path, container="auto", scale=2, encoding=FAST, **part):
    """Read, enlarge, write; returns the result's path, and source and sink for their notes."""
    with open_source(path, **part) as source:
        container, why = choose_container(source.info, container)
        target = path.with_name(f"{path.stem}_big.{container}")
        with open_sink(target, source.info, container=container, encoding=encoding) as sink:
            for frame in source:
                sink.write(replace(frame, image=cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=0)))
    return target, [*filter(None, [why]), *source.notes, *sink.notes]


def times(path):
    with open_source(path) as source:
        return [frame.time for frame in source]


def starts(path):
    """When pictures and sound really begin: the first frame, and the first sample that can be heard, in seconds."""
    with open_source(path) as source:
        base = source.info.zero
        picture = next(iter(source)).time
    with av.open(str(path)) as film:
        for frame in film.decode(film.streams.audio[0]):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.1)
            if loud.size:
                return picture, frame.pts * exact(frame.time_base) + Fraction(int(loud[0]), frame.sample_rate) - base


def payload(path, kind):
    """The bytes of every packet of the streams of one kind."""
    with av.open(str(path)) as film:
        chosen = [stream for stream in film.streams if stream.type == kind]
        return [(packet.stream.index, bytes(packet)) for packet in film.demux(chosen) if packet.size]
