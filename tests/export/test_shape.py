from types import SimpleNamespace

import pytest

from ppvsr.errors import UsageError
from ppvsr.export.files import ClipShape


class MSVSR(SimpleNamespace):
    min_size, size_multiple, steps = 64, 1, ("begin",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,10,3,180", "4 numbers; a clip has five"),
        ("1,ten,3,180,320", "expected five whole numbers such as 1,10,3,180,320"),
        ("1,-1,3,180,320", "frames cannot be free.*unrolled.*--steps"),
        ("1,10,4,180,320", "channels must be 3"),
        ("1,10,3,-1,320", "both free, or neither"),
        ("0,10,3,180,320", "must be 1 to 65536, or -1"),
        ("1,10,3,180,100000", "must be 1 to 65536, or -1"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_with_what_to_write(text, message):
    with pytest.raises(UsageError, match=f"--inputs_size {text}: .*{message}"):
        ClipShape.parse(text)


def test_minus_one_is_free():
    shape = ClipShape.parse("-1, 5,3,-1,-1")
    assert shape.free and shape.sizes() == [None, 5, 3, None, None]
    assert shape.examples(MSVSR()) == [(1, 5, 3, 64, 64), (2, 5, 3, 65, 73)]
    assert not ClipShape.parse("2,5,3,70,80").free
    assert ClipShape.parse("2,5,3,70,80").examples(MSVSR()) == 2 * [(2, 5, 3, 70, 80)]


def test_a_network_has_its_say():
    ClipShape.parse("-1,1,3,-1,-1").check(MSVSR())
    with pytest.raises(UsageError, match="height 63 is too small for MSVSR, which takes 64 or more"):
        ClipShape.parse("1,1,3,63,64").check(MSVSR())
    for shape in ("-1,1,3,64,64", "1,1,3,-1,-1"):
        with pytest.raises(UsageError, match=r"fixed batch, height and width only.*multiples of 4"):
            ClipShape.parse(shape).check(MSVSR(size_multiple=4))
