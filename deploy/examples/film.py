"""A film through a network, clip by clip: frames by PyAV, sound as it is. Needs av and numpy only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import av
import numpy as np

Run = Callable[[np.ndarray], np.ndarray]  # (1, t, 3, h, w) to (1, t, 3, 4h, 4w), RGB, float32 in [0, 1]
SCALE = 4


def enlarge_film(source: str, target: str, run: Run, length: int) -> int:
    """Write the film four times larger; return its number of frames. length: frames that the network takes at once."""
    with av.open(source) as film, av.open(target, "w") as result:
        video = film.streams.video[0]
        large = result.add_stream("libx264", rate=video.average_rate, options={"crf": "16"})
        large.width, large.height, large.pix_fmt = SCALE * video.width, SCALE * video.height, "yuv420p"
        large.codec_context.time_base = video.time_base
        sounds = {each.index: result.add_stream_from_template(each) for each in film.streams.audio}
        count = 0
        frames = _frames(film, video, sounds, result)
        while clip := list(islice(frames, length)):
            for frame, image in zip(clip, _enlarge(run, clip, length), strict=True):
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts, picture.time_base = frame.pts, frame.time_base
                result.mux(large.encode(picture))
            count += len(clip)
        result.mux(large.encode())
    return count


def _frames(film: Any, video: Any, sounds: dict[int, Any], result: Any) -> Iterator[av.VideoFrame]:
    """Yield the frames of a film; packets of its sound are passed on as they come."""
    for packet in film.demux(video, *film.streams.audio):
        if packet.stream is video:
            yield from packet.decode()
        elif packet.dts is not None:
            packet.stream = sounds[packet.stream.index]
            result.mux(packet)


def _enlarge(run: Run, clip: list[av.VideoFrame], length: int) -> np.ndarray:
    """Return a clip's pictures, (t, 4h, 4w, 3) uint8; a short clip is filled up with its last frame."""
    images = np.stack([frame.to_ndarray(format="rgb24") for frame in clip + clip[-1:] * (length - len(clip))])
    lq = np.ascontiguousarray(images.transpose(0, 3, 1, 2)[None], np.float32) / 255
    sr = run(lq)[0, : len(clip)].transpose(0, 2, 3, 1)
    return np.ascontiguousarray((sr.clip(0, 1) * 255).round().astype(np.uint8))
