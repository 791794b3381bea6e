import warnings

import numpy as np
import paddle
import pytest
from paddle import nn

from ppvsr.errors import WeightsError
from ppvsr.weights.files import save
from ppvsr.weights.networks import load_weights
from ppvsr.weights.zoo import VARIANTS


class Flow(nn.Layer):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", paddle.to_tensor([0.5]))
        self.register_buffer("std", paddle.to_tensor([0.25]))


class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.spynet = Flow()
        self.conv_in = nn.Conv2D(2, 3, 1)
        self.layers = nn.LayerList([nn.Linear(2, 2) for _ in range(6)])


@pytest.fixture
def net():
    return Net()


@pytest.fixture
def fitting(net):
    return {name: tensor.numpy() + 1 for name, tensor in net.state_dict().items()}


def values(net):
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".pdparams"])
def test_all_kinds_of_files(net, fitting, tmp_path, ending):
    path = tmp_path / f"a{ending}"
    save(fitting, path)
    load_weights(net, path)
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, fitting[name])


def test_names_of_paddlegan_and_other_floats(net, fitting):
    arrays = {name.replace("conv_in.", "covn1."): array.astype(np.float64) for name, array in fitting.items()}
    load_weights(net, arrays)
    np.testing.assert_array_equal(net.conv_in.weight.numpy(), fitting["conv_in.weight"])


def test_constants_of_the_flow_network_may_be_missing(net, fitting):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Paddle's own words about it would only alarm
        load_weights(net, {name: array for name, array in fitting.items() if "spynet" not in name})
    assert net.spynet.mean.tolist() == [0.5]
    np.testing.assert_array_equal(net.conv_in.bias.numpy(), fitting["conv_in.bias"])


@pytest.mark.parametrize("change, message", [
    (lambda a: a.pop("conv_in.bias"), r"1 of 16 parameters differ from Net:\n  missing: conv_in\.bias"),
    (lambda a: a.update(x=np.zeros(1), y=np.zeros(1)), r"2 of 16 .*\n  unexpected: x, y"),
    (lambda a: a.update({"conv_in.bias": np.zeros((4,))}), r"\n  shape: conv_in\.bias \[4\] instead of \[3\]"),
    (lambda a: a.update({"conv_in.bias": np.zeros(3, np.int64)}), r"\n  not floats: conv_in\.bias \(int64\)"),
    (lambda a: a.update({"conv_in.bias": np.float32([0, np.nan, 0])}), r"\n  not finite: conv_in\.bias"),
    (lambda a: a.update({"conv_in.bias": np.float64([0, 1e300, 0])}), r"\n  not finite: conv_in\.bias"),
    (lambda a: [a.pop(f"layers.{i}.{n}") for i in range(6) for n in ("weight", "bias")],
     r"12 of 16 .*missing: layers\.0\.weight, .*layers\.3\.bias, and 4 more$"),
])  # fmt: skip
def test_differences_are_told_and_nothing_is_loaded(net, fitting, tmp_path, change, message):
    change(fitting)
    before = values(net)
    np.savez(tmp_path / "a.npz", **fitting)
    with pytest.raises(WeightsError, match=rf"(?s)a\.npz: .*{message}"):
        load_weights(net, tmp_path / "a.npz")
    with pytest.raises(WeightsError, match="weights: "):
        load_weights(net, fitting)
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_weights_of_another_variant_are_named(net):
    arrays = {"conv.weight": np.broadcast_to(np.float32(0), VARIANTS["PPMSVSRLarge"].parameters)}
    with pytest.raises(WeightsError, match=r"its 7,417,197 numbers are as many as PPMSVSRLarge has: was that"):
        load_weights(net, arrays)
