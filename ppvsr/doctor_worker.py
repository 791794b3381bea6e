"""A tiny film and a tiny clip through what a real film goes through."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppvsr.assemble.doctor_finding import OK, PROBLEM, WARNING, Finding

FRAMES, SIDE = 3, 64
LEAST, MOST = 0.1, 25.0  # levels of 255 that a network's picture may differ from bicubic's on average
SAME = 1e-4  # the native operator and Paddle's, in [0, 1]


def test_film() -> Iterator[Finding]:
    """Encode a film, enlarge it by the command's own way with bicubic, decode and count."""
    import av

    from ppvsr.assemble.film import enhance_video

    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ppvsr-doctor-") as folder:
        source, target = Path(folder) / "test.mp4", Path(folder) / "large.mp4"
        with av.open(str(source), "w") as film:
            stream = film.add_stream("libx264", rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
            for picture in pictures():
                film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            film.mux(stream.encode())
        enhance_video(source, target, "Bicubic")
        with av.open(str(target)) as film:
            sizes = [(frame.width, frame.height) for frame in film.decode(video=0)]
    expected = [(4 * SIDE, 4 * SIDE)] * FRAMES
    if sizes != expected:
        yield Finding("test: a film", PROBLEM, f"{FRAMES} frames went in, {len(sizes)} came out: {sizes[:1]}")
    else:
        yield Finding("test: a film", OK, f"encoded, enlarged and decoded in {time.perf_counter() - began:.1f} s")


def test_network() -> Iterator[Finding]:
    """Run the bundled network on Paddle's operators and on ppvsr's own; compare with bicubic and with each other."""
    from ppvsr.assemble.clip import enhance_frames

    began = time.perf_counter()
    clip = list(pictures())
    results = np.stack(list(enhance_frames(clip, backend="dygraph", device="cpu")))
    bicubic = np.stack(list(enhance_frames(clip, "Bicubic")))
    name, took = "test: a network", f"{time.perf_counter() - began:.1f} s"
    if results.shape != bicubic.shape:
        yield Finding(name, PROBLEM, f"{bicubic.shape} were expected, {results.shape} came out")
        return
    distance = float(np.abs(results.astype(float) - bicubic).mean())
    if not LEAST < distance < MOST:
        yield Finding(
            name, PROBLEM, f"the results are {distance:.2f} levels from bicubic on average: that is no picture"
        )
    else:
        yield Finding(name, OK, f"{FRAMES} frames in {took}, {distance:.2f} levels from bicubic on average")
    yield from _operators()


def _operators() -> Iterator[Finding]:
    """Compare ppvsr's own convolutions with Paddle's, if they were built."""
    import paddle
    import paddle.nn.functional as F
    from paddle.vision.ops import deform_conv2d

    from ppvsr.ops import native
    from ppvsr.ops.native_cache import BuildError, built

    try:
        if built(native.SOURCES)[1] is None or native.load():
            return
    except BuildError:
        return
    rng = np.random.default_rng(0)
    shapes = ((1, 8, 20, 24), (1, 36, 20, 24), (8, 8, 3, 3), (8,), (1, 18, 20, 24))
    x, offset, weight, bias, mask = (paddle.to_tensor(rng.standard_normal(shape, np.float32)) for shape in shapes)
    how = {"padding": 1, "deformable_groups": 2, "mask": mask}
    theirs = deform_conv2d(x, 3 * offset, weight, bias, **how), F.conv2d(x, weight, bias, padding=1)
    ours = (
        native.deform_conv2d(x, 3 * offset, weight, bias, **how),
        native.conv3x3([x], native.transform_weight(weight), bias),
    )
    worst = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(theirs, ours, strict=True))
    if worst <= SAME:
        yield Finding("test: own operators", OK, f"equal to Paddle's within {worst:.0e}")
    else:
        yield Finding(
            "test: own operators", WARNING, f"differ from Paddle's by {worst:.1e}", "run with --backend dygraph"
        )


def pictures() -> Iterator[NDArray[np.uint8]]:
    """Yield a moving pattern with edges: (SIDE, SIDE, 3)."""
    y, x = np.mgrid[:SIDE, :SIDE]
    for shift in range(FRAMES):
        waves = [np.sin((x + 2 * shift) / 3), np.cos((y - shift) / 5), np.sign(np.sin((x + y + shift) / 7))]
        yield np.stack([100 * wave + 127 for wave in waves], axis=2).astype(np.uint8)
