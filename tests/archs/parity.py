"""Rebuild the weights of the parity cases: outputs of PaddleGAN's own networks (see tests/data/parity)."""

import json
import zlib
from pathlib import Path

import numpy as np

from ppvsr.weights.names import to_paddlegan

DATA = Path(__file__).parents[1] / "data"
CASES = sorted(path.stem for path in (DATA / "parity").glob("*.json"))


def load(case):
    """Return the class name, the options, and the arrays of a case."""
    description = json.loads((DATA / "parity" / f"{case}.json").read_text())
    return description["cls"], description["kwargs"], dict(np.load(DATA / "parity" / f"{case}.npz"))


def fill(net):
    """Give a network the weights that the recipe of the parity cases draws for its parameters."""
    state = net.state_dict()
    for ours, value in net.state_dict().items():
        key, shape = to_paddlegan(ours), tuple(value.shape)
        if not key.endswith((".mean", ".std")):
            rng = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
            scale = 0.02 if len(shape) == 1 else 0.7 / np.sqrt(np.prod(shape[1:]))
            state[ours] = (rng.standard_normal(shape) * scale).astype(np.float32)
    net.set_state_dict(state)
    return net
