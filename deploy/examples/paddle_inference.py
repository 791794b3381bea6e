"""A film four times larger by Paddle Inference. Needs paddlepaddle, av and numpy, and not ppvsr.

    python deploy/examples/paddle_inference.py NAME FRAMES IN OUT

NAME of NAME.json and NAME.pdiparams; FRAMES: the second number of the shape in NAME.yaml.
"""

from __future__ import annotations

import sys

import numpy as np
from film import Run, enlarge_film
from paddle import inference


def open_network(name: str) -> Run:
    """Return the network, to be run on the CPU."""
    config = inference.Config(f"{name}.json", f"{name}.pdiparams")
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()  # oneDNN: two to five times as fast; disable_mkldnn() where it crashes
    config.delete_pass("conv_activation_onednn_fuse_pass")  # with this one, Paddle 3.3 crashes at leaky ReLUs
    predictor = inference.create_predictor(config)

    def run(lq: np.ndarray) -> np.ndarray:
        predictor.get_input_handle("lq").copy_from_cpu(lq)
        predictor.run()
        return predictor.get_output_handle("sr").copy_to_cpu()

    return run


if __name__ == "__main__":
    name, frames, source, target = sys.argv[1:]
    print(enlarge_film(source, target, open_network(name), int(frames)), "frames")
