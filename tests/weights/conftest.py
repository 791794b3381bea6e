import json
import pickle
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def keys():
    """{network: {PaddleGAN's name: shape}}, from PaddleGAN's own networks."""
    return json.loads((DATA / "keys.json").read_text(encoding="utf-8"))


@pytest.fixture
def arrays():
    """Some parameters of a network, PaddleGAN's names."""
    rng = np.random.default_rng(0)
    shapes = {"conv_last.weight": (3, 4, 3, 3), "conv_last.bias": (3,), "feat_extract.covn1.weight": (4, 3, 3, 3)}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


@pytest.fixture
def dump(tmp_path):
    """Write an object as pickle and return the path."""

    def write(tree, name="weights.pdparams", protocol=4):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(tree, protocol=protocol))
        return path

    return write
