"""`tools/grow_weights.py`: the small network that ships becomes the large one."""

import numpy as np
import paddle
import pytest

from ppvsr.cli.weights import grow_main
from ppvsr.weights.networks import create_model, load_network, load_weights
from ppvsr.weights.zoo import VARIANTS


@pytest.mark.slow
def test_the_small_network_becomes_the_full_one(tmp_path, capsys):
    target = tmp_path / "start.pdparams"
    assert grow_main(["bi", str(target)]) == 0
    assert "a PPMSVSR that computes what PPMSVSRSmall does with bi" in capsys.readouterr().out
    small, large = VARIANTS["PPMSVSRSmall"], create_model("MSVSR")
    load_weights(large, target)
    large.eval()
    paddle.seed(1)
    lq = paddle.rand([1, 2, 3, 64, 64])
    with paddle.no_grad():
        (got,), (want,) = large(lq), load_network(small, small.pick())(lq)
    np.testing.assert_allclose(got.numpy(), want.numpy(), atol=2e-5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bi", "a.npz", "--large", "BasicVSR"], "BasicVSR is no PP-MSVSR; only that can grow"),
        (["bi", "a.npz", "--large", "PPMSVSRLarge"], "PPMSVSRSmall cannot become PPMSVSRLarge: the large network is"),
        (["nothing", "a.npz"], "PPMSVSRSmall has no weights 'nothing'"),
        (["bi", "a.txt"], "a.txt: the ending must be one of"),
    ],
)
def test_wrong_use_is_one_line(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert grow_main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
