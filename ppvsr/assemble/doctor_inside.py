"""What the doctor does in a process of its own, because it imports what may be broken.

Findings and progress go to stdout, one line of JSON each; see ppvsr.assemble.doctor_child.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict

from ppvsr.assemble.doctor_child import NAMES
from ppvsr.assemble.doctor_finding import OK, PROBLEM, WARNING, Finding
from ppvsr.errors import PpvsrError

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
    from ppvsr.assemble.doctor_backends import backends, build
    from ppvsr.assemble.doctor_tests import test_film, test_network

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
    from ppvsr.framework import use_device

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
