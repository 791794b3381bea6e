import numpy as np
import paddle

from ppvsr.ops.layers import PixelShufflePack, pad_to_multiple, resize, upsample


def test_pixel_shuffle_puts_four_channels_into_a_square():
    pack = PixelShufflePack(1, 1)
    pack.upsample_conv.weight.set_value(np.zeros((4, 1, 3, 3), np.float32))
    pack.upsample_conv.bias.set_value(np.arange(4, dtype=np.float32))
    assert pack(paddle.zeros([1, 1, 2, 1]))[0, 0].tolist() == [[0, 1], [2, 3], [0, 1], [2, 3]]


def test_upsampling_treats_pixels_as_areas():
    x = paddle.to_tensor([0.0, 8.0]).reshape([1, 1, 1, 2])
    assert upsample(x, 4)[0, 0, 0].tolist() == [0, 0, 1, 3, 5, 7, 8, 8]


def test_resize_to_the_same_size_is_free():
    x = paddle.rand([1, 2, 4, 6])
    assert resize(x, 4, 6) is x
    assert resize(x, 8, 9).shape == [1, 2, 8, 9]


def test_padding_mirrors_at_the_bottom_and_at_the_right():
    x = paddle.arange(30, dtype="float32").reshape([1, 1, 5, 6])
    padded = pad_to_multiple(x, 4)
    assert padded.shape == [1, 1, 8, 8]
    np.testing.assert_array_equal(padded[0, 0].numpy(), np.pad(x[0, 0].numpy(), [(0, 3), (0, 2)], mode="reflect"))
    assert pad_to_multiple(padded, 4) is padded
