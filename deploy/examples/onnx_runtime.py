"""A film four times larger by ONNX Runtime. Needs onnxruntime, av and numpy, and neither ppvsr nor Paddle.

python deploy/examples/onnx_runtime.py NAME.onnx IN OUT
"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
from film import Run, enlarge_film


def open_network(path: str) -> tuple[Run, int]:
    """Return the network, to be run on the CPU, and how many frames it takes at once."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (lq,) = session.get_inputs()

    def run(clip: np.ndarray) -> np.ndarray:
        return session.run(["sr"], {"lq": clip})[0]

    return run, lq.shape[1]


if __name__ == "__main__":
    path, source, target = sys.argv[1:]
    print(enlarge_film(source, target, *open_network(path)), "frames")
