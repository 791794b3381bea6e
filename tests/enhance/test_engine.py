"""Whatever the plan, the engine returns every frame once, whole and untouched by padding, blocks and tiles."""

import numpy as np
import paddle
import pytest

from ppvsr.enhance.engine import Enhancer
from ppvsr.enhance.plan import Limits
from tests.enhance.pictures import Repeater, enlarged, film, nearest, plan


@pytest.mark.slow
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("count", "size", "options"),
    [
        (1, (20, 30), {}),
        (12, (20, 30), {"window": 5, "overlap": 2}),
        (7, (1, 1), {"limits": Limits(min_size=64)}),
        (3, (61, 67), {"limits": Limits(min_size=64, size_multiple=4)}),
        (4, (100, 170), {"tile": (100, 96)}),
        (9, (103, 171), {"tile": (80, 96), "limits": Limits(size_multiple=4)}),
    ],
)
def test_frames_come_back_whole_and_in_order(count, size, options, dtype, streaming):
    source = list(film(count, *size, dtype))
    net = Repeater() if streaming else nearest
    result = list(Enhancer(net, plan(*size, streaming=streaming, **options))(iter(source)))
    assert [frame.time for frame in result] == [frame.time for frame in source]
    for frame, big in zip(source, result, strict=True):
        assert big.image.dtype == dtype
        assert np.array_equal(big.image, enlarged(frame.image))


def test_values_outside_the_range_are_clipped():
    def wild(lq):
        return (paddle.concat([lq * 0 - 3, lq * 0 + 3], axis=4).repeat_interleave(4, 3).repeat_interleave(2, 4),)

    image = next(iter(Enhancer(wild, plan(8, 8), guard=False)(film(1, 8, 8)))).image
    assert (image[:, :16] == 0).all() and (image[:, 16:] == 255).all()


def test_the_last_output_is_the_answer():
    def two(lq):
        return nearest(lq * 0)[0], nearest(lq)[0]

    (source,) = film(1, 8, 8)
    (big,) = Enhancer(two, plan(8, 8))([source])
    assert np.array_equal(big.image[::4, ::4], source.image)


@pytest.mark.parametrize("streaming", [False, True])
def test_no_more_than_a_window_is_read_ahead(streaming):
    read = []
    stream = (read.append(i) or frame for i, frame in enumerate(film(50, 8, 8)))
    net = Repeater() if streaming else nearest
    frames = Enhancer(net, plan(8, 8, window=6, overlap=2, streaming=streaming))(stream)
    next(frames)
    assert len(read) == 7
    for count in range(2, 40):
        next(frames)
        assert len(read) <= count + 6
