import numpy as np
import paddle
import paddle.nn as nn
import pytest

from ppvsr.ops.deform import (
    DeformConv2D,
    FlowGuidedAlignment,
    RefiningAlignment,
    SecondOrderAlignment,
    as_offset,
    predict_offset,
)


@pytest.fixture
def centre_tap():
    """A deformable convolution of 4 channels in 2 groups that passes on what its centre tap reads."""
    conv = DeformConv2D(4, 4, groups=2)
    weight = np.zeros((4, 4, 3, 3), np.float32)
    weight[range(4), range(4), 1, 1] = 1
    conv.weight.set_value(weight)
    return conv


@pytest.mark.parametrize(("group", "axis"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_order_of_the_offsets(centre_tap, group, axis):
    """Group by group, tap by tap, y before x."""
    x = paddle.rand([1, 4, 6, 6])
    offset = paddle.zeros([1, 36, 6, 6])
    offset[:, 18 * group + 2 * 4 + axis] = 1  # tap 4 is the centre
    result = centre_tap(x, offset, paddle.ones([1, 18, 6, 6]))
    moved = paddle.roll(x, -1, axis=2 + axis)
    expected = paddle.concat([moved[:, :2], x[:, 2:]] if group == 0 else [x[:, :2], moved[:, 2:]], axis=1)
    np.testing.assert_allclose(result[..., :5, :5].numpy(), expected[..., :5, :5].numpy(), atol=1e-5)


def test_mask_weighs_what_is_read(centre_tap):
    x = paddle.rand([1, 4, 6, 6])
    mask = paddle.ones([1, 18, 6, 6])
    mask[:, 9 + 4] = 0.5
    result = centre_tap(x, paddle.zeros([1, 36, 6, 6]), mask)
    np.testing.assert_allclose(result.numpy(), paddle.concat([x[:, :2], x[:, 2:] / 2], axis=1).numpy(), atol=1e-6)


def test_a_flow_becomes_an_offset_with_y_first():
    flow = paddle.to_tensor([1.0, 2.0]).reshape([1, 2, 1, 1])
    assert as_offset(flow, 6).flatten().tolist() == [2, 1, 2, 1, 2, 1]


def constant_flow(x, y):
    return paddle.to_tensor([float(x), float(y)]).reshape([1, 2, 1, 1]).expand([1, 2, 8, 8])


def test_a_new_alignment_reads_where_the_flow_points():
    align = FlowGuidedAlignment(4, groups=2)
    x, cur, still = paddle.rand([1, 4, 8, 8]), paddle.rand([1, 4, 8, 8]), constant_flow(0, 0)
    moved, offset, mask = align(x, cur, constant_flow(2, 1))
    unmoved, _, _ = align(paddle.roll(x, [-1, -2], axis=[2, 3]), cur, still)
    np.testing.assert_allclose(moved[..., 1:6, 1:5].numpy(), unmoved[..., 1:6, 1:5].numpy(), atol=1e-5)
    assert offset[0, :4, 0, 0].tolist() == [1, 2, 1, 2]
    assert bool((mask == 0.5).all())


def test_a_new_refinement_keeps_the_offsets():
    align = RefiningAlignment(4, groups=2)
    x, cur = paddle.rand([1, 4, 8, 8]), paddle.rand([1, 4, 8, 8])
    offset, mask = paddle.randn([1, 36, 8, 8]), paddle.full([1, 18, 8, 8], 0.7)
    expected = align.dcn(x, offset, paddle.full_like(mask, 0.6))  # halfway to the mask of a new network, 0.5
    result = align(x, cur, constant_flow(5, 5), offset, mask)
    np.testing.assert_allclose(result.numpy(), expected.numpy(), atol=1e-5)


def test_second_order_alignment_moves_each_frame_by_its_flow():
    align = SecondOrderAlignment(4, groups=2)
    x1, x2, cur = (paddle.rand([1, 4, 8, 8]) for _ in range(3))
    still = constant_flow(0, 0)
    moved = align(x1, x2, cur, constant_flow(1, 0), constant_flow(0, 2))
    unmoved = align(paddle.roll(x1, -1, axis=3), paddle.roll(x2, -2, axis=2), cur, still, still)
    np.testing.assert_allclose(moved[..., 1:5, 1:6].numpy(), unmoved[..., 1:5, 1:6].numpy(), atol=1e-5)


def test_residue_is_bounded():
    prediction = paddle.full([1, 27, 1, 1], 1e3)
    residue, mask = predict_offset(nn.Sequential(), prediction, flows=[paddle.zeros([1, 2, 1, 1])])
    assert residue.shape == [1, 18, 1, 1] and bool((residue == 10).all())
    assert mask.shape == [1, 9, 1, 1] and bool((mask == 1).all())
