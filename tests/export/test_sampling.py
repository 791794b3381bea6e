import paddle
import pytest

from ppvsr.export.write import sampled
from ppvsr.ops.deform import DeformConv2D


@pytest.mark.parametrize(("n", "c", "groups", "h", "w"), [(1, 4, 1, 7, 9), (2, 8, 4, 6, 5), (1, 16, 16, 3, 3)])
def test_sampling_is_a_deformable_convolution_even_far_outside(n, c, groups, h, w):
    paddle.seed(0)
    layer = DeformConv2D(c, c, groups)
    x, mask = paddle.rand([n, c, h, w]), paddle.rand([n, 9 * groups, h, w])
    offset = 4 * paddle.randn([n, 18 * groups, h, w])
    with paddle.no_grad():
        expected = layer(x, offset, mask)
        with sampled(paddle.nn.Sequential(layer)):
            found = layer(x, offset, mask)
        assert float((found - expected).abs().max()) < 1e-5
        assert float((layer(x, paddle.zeros_like(offset), mask) - expected).abs().max()) > 1e-2
    assert "forward" not in vars(layer)
