"""The doctor's checks that import Paddle or PyAV, each in a process of its own: what they import may be broken.

    python -m ppvsr.doctor_worker CHECK

Findings and progress go to stdout, one line of JSON each; see ppvsr.doctor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppvsr.doctor import NAMES, OK, PROBLEM, WARNING, Finding
from ppvsr.errors import PpvsrError

# ---- A tiny film and a tiny clip through what a real film goes through.

FRAMES, SIDE = 3, 64
LEAST, MOST = 0.1, 25.0  # levels of 255 that a network's picture may differ from bicubic's on average
SAME = 1e-4  # the native operator and Paddle's, in [0, 1]


def test_film() -> Iterator[Finding]:
    """Encode a film, enlarge it by the command's own way with bicubic, decode and count."""
    import av

    from ppvsr.enhance.video import enhance_video

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
    from ppvsr.enhance.video import enhance_frames

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
    from ppvsr.ops.build import BuildError, built

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


# ---- What makes networks fast: ppvsr's own operators and compiled programs. Needs Paddle.

VARIANT = "PPMSVSR"  # whose bundled weights are compiled ahead
SLOWER = "Paddle's own operators do the work, several times slower on the CPU"


def backends() -> Iterator[Finding]:
    """Say whether the operators and the bundled network's programs were built, and where not, why."""
    from ppvsr.system.paddle import use_device

    device = use_device()
    if device != "cpu":
        yield Finding("backend", OK, f"networks run by dygraph on {device}; compiled programs are for CPUs")
        return
    from ppvsr.ops.build import BuildError, built
    from ppvsr.ops.native import SOURCES

    try:
        compiler, library = built(SOURCES)
    except BuildError as error:
        yield Finding("compiler", WARNING, str(error), SLOWER)
        return
    yield Finding("compiler", OK, f"{' '.join(compiler)}: {_version(compiler)}")
    if library is None:
        yield Finding("own operators", OK, "not built yet: they are at first use, in 10 to 30 s", "--build does it now")
        return
    from ppvsr.ops import native

    if reason := native.load():
        yield Finding("own operators", WARNING, reason)
    else:
        yield Finding("own operators", OK, f"built, {library}")
    yield _programs(native=not reason)


def build(say: Callable[[str], Any]) -> Iterator[Finding]:
    """Compile the operators and the programs of the bundled network now; `say` hears how it goes on."""
    from ppvsr.compile.backend import use_backend
    from ppvsr.ops import native
    from ppvsr.system.paddle import use_device

    if (device := use_device()) != "cpu":
        yield Finding("building", OK, f"nothing to build for {device}")
        return
    say("own operators: compiled now, 10 to 30 s, or found in the cache")
    if reason := native.load():
        yield Finding("own operators", WARNING, reason)
    else:
        yield Finding("own operators", OK, "built and loaded")
    net, options = _bundled()
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        say(f"network: {line}")

    if use_backend(net, options, "auto", say=hear) == "compiled":
        yield Finding("compiled network", OK, f"{VARIANT} is ready to run, {'made now' if said else 'as before'}")
    else:
        yield Finding("compiled network", WARNING, said[-1])


def _programs(*, native: bool) -> Finding:
    from ppvsr.compile.backend import read_verdict, whereabouts

    net, options = _bundled()
    folder = whereabouts(net, options, native=native)
    verdict = read_verdict(folder)
    if verdict is None:
        text = f"{VARIANT} is not compiled yet: it is at first use, in 15 to 60 s"
        return Finding("compiled network", OK, text, "--build does it now")
    if "reason" in verdict:
        advice = f"remove {folder} to try again; --backend dygraph runs, about five times slower"
        return Finding("compiled network", WARNING, str(verdict["reason"]), advice)
    text = f"{VARIANT}: {len(verdict['programs'])} programs, largest difference {verdict.get('difference', 0.0):.1e}"
    return Finding("compiled network", OK, text)


def _bundled() -> tuple[Any, Any]:
    """Return the network that `VARIANT` runs by default, with its weights, and its options."""
    from ppvsr.weights.networks import load_network
    from ppvsr.weights.zoo import find_variant

    variant = find_variant(VARIANT)
    return load_network(variant, variant.pick()), variant.options


def _version(compiler: list[str]) -> str:
    done = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout.strip() or done.stderr.strip() or "says no version").splitlines()[0]


# ---- What the doctor does in a process of its own, because it imports what may be broken.
# Findings and progress go to stdout, one line of JSON each; see ppvsr.doctor.

ENCODERS = {
    "libx264": (PROBLEM, "mp4, mkv and mov, the default"),
    "aac": (WARNING, "sound that a container cannot hold as it is"),
    "libvpx-vp9": (WARNING, "webm"),
    "libopus": (WARNING, "sound of webm"),
    "libx265": (WARNING, "--codec libx265"),
    "libsvtav1": (WARNING, "--codec libsvtav1"),
    "ffv1": (WARNING, "--codec ffv1, lossless"),
    "mov_text": (WARNING, "subtitles of mp4"),
}
DECODERS = (
    "h264",
    "hevc",
    "mpeg2video",
    "mpeg4",
    "vp8",
    "vp9",
    "libdav1d",
    "prores",
    "mjpeg",
    "gif",
    "png",
    "aac",
    "mp3",
)


def main(name: str) -> None:
    """Do the check `name` and print what it finds. Failures for users become findings; others end the process."""

    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "paddle": paddle_works,
        "films": films,
        "backends": backends,
        "build": lambda: build(say),
        "test_film": test_film,
        "test_network": test_network,
    }
    try:
        for finding in checks[name]():
            print(json.dumps(asdict(finding)), flush=True)  # noqa: T201
    except PpvsrError as error:
        finding = Finding(NAMES[name], PROBLEM, " ".join(str(error).split()))
        print(json.dumps(asdict(finding)), flush=True)  # noqa: T201


def say(line: str) -> None:
    """Let the user hear how it goes on."""
    print(json.dumps({"say": line}), flush=True)  # noqa: T201


def paddle_works() -> Iterator[Finding]:
    """Import Paddle and let it multiply."""
    from ppvsr.system.paddle import use_device

    device = use_device()
    import paddle

    ones = paddle.ones([8, 8])
    product = float(paddle.matmul(ones, ones).sum())
    if product != 512:
        yield Finding("Paddle", PROBLEM, f"a product of two matrices is {product}, not 512", "install Paddle again")
        return
    text = f"{paddle.__version__} ({paddle.version.commit[:7]}), works on {device}"
    cuda = paddle.device.is_compiled_with_cuda()
    if cuda and not paddle.device.cuda.device_count():
        advice = "check the driver by nvidia-smi, or install paddlepaddle, which is smaller"
        yield Finding("Paddle", WARNING, f"{text}; it was built for GPUs, and finds none", advice)
    elif cuda:
        yield Finding("Paddle", WARNING, text, "ppvsr has not been tested on GPUs; --device cpu is")
    else:
        yield Finding("Paddle", OK, text)


def films() -> Iterator[Finding]:
    """Import PyAV and look for the codecs that films need."""
    import av

    libraries = [f"{name} {'.'.join(map(str, version))}" for name, version in av.library_versions.items()]
    wanted = ("libavcodec", "libavformat", "libswscale")
    yield Finding("FFmpeg", OK, f"PyAV {av.__version__}: {', '.join(x for x in libraries if x.startswith(wanted))}")
    missing = [name for name in ENCODERS if not _has(name, "w")]
    for name in missing:
        level, use = ENCODERS[name]
        yield Finding(f"encoder {name}", level, f"not in this FFmpeg: {use}", "pip install --force-reinstall av")
    yield Finding("encoders", OK, ", ".join(name for name in ENCODERS if name not in missing))
    readable = [name for name in DECODERS if _has(name, "r")]
    unreadable = [name for name in DECODERS if name not in readable]
    if unreadable:
        yield Finding("decoders", WARNING, f"no {', '.join(unreadable)}", "pip install --force-reinstall av")
    yield Finding("decoders", OK, ", ".join(readable))


def _has(name: str, mode: str) -> bool:
    import av

    try:
        av.Codec(name, mode)
    except (av.codec.codec.UnknownCodecError, ValueError):
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1])
