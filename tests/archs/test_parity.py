import numpy as np
import paddle
import pytest

from tests.archs.nets import CLASSES
from tests.archs.parity import CASES, fill, load


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_same_numbers_as_paddlegan(case):
    name, options, arrays = load(case)
    net = fill(CLASSES[name](**options))
    lq = paddle.to_tensor(arrays["input"])
    net.train()  # for the auxiliary pictures
    with paddle.no_grad():
        outputs = net(lq)
        flows = net.spynet.clip_flows(lq)[0] if "flow_backward_sub4" in arrays else []
    assert len(outputs) == sum(key.startswith("out") for key in arrays)
    for i, output in enumerate(outputs):
        np.testing.assert_allclose(output.numpy()[..., ::8, ::8], arrays[f"out{i}_sub8"], rtol=0, atol=1e-5)
    for i, flow in enumerate(flows):
        np.testing.assert_allclose(flow.numpy()[..., ::4, ::4], arrays["flow_backward_sub4"][:, i], rtol=0, atol=1e-5)
