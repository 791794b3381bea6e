"""What is not sound is computed again in a safe way, said, and never shown."""

import re
from fractions import Fraction

import numpy as np
import paddle
import pytest

from ppvsr.enhance.engine import Enhancer, lost, unsound
from ppvsr.errors import PpvsrError
from ppvsr.video.frames import Frame
from tests.enhance.pictures import Held, Repeater, enlarged, film, nearest, plan, spoilt


class Failing(Repeater):
    """Spoils the picture, or the state, once frame `at` is known; `safe` keeps it from that."""

    def __init__(self, at, *, what="picture", safe=False):
        super().__init__()
        self.at, self.what, self.safe = at, what, safe
        self.done = {}  # pictures known so far, by state

    def extend(self, state, frames, *, last, look_ahead):
        before = getattr(state, "count", 0)
        pictures, new = super().extend(state, frames, last=last, look_ahead=look_ahead)
        new.count = before + len(pictures)
        if not self.safe and before <= self.at < new.count:
            i = self.at - before
            if self.what == "picture":
                pictures[i] = spoilt(pictures[i])
            elif self.what == "colour":
                pictures[i] = paddle.zeros_like(pictures[i]) - 2.0
            else:
                count = new.count
                new = Held([spoilt(x) for x in new.frames], new.newest)
                new.count = count
        return pictures, new


def streamed(net, source, **options):
    height, width = source[0].image.shape[:2]
    return list(Enhancer(net, plan(height, width, window=6, overlap=2, streaming=True), **options)(iter(source)))


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("picture", r"frame at 0\.360 s became a picture that is not finite"),
        ("colour", r"frame at 0\.360 s became a picture of one colour, which it is not"),
        ("state", r"frame at 0\.520 s left something that is not finite"),
    ],
)
def test_a_block_is_computed_again_from_the_old_state(what, seen):
    net, source, said = Failing(9, what=what), list(film(30, 16, 16)), []

    def safer():
        net.safe = True
        net.calls.append("safer")

    result = streamed(net, source, safer=safer, say=said.append)
    assert all(np.array_equal(big.image, enlarged(small.image)) for small, big in zip(source, result, strict=True))
    assert net.calls.index("safer") == 3 and net.calls.count("safer") == 1
    assert net.given == 30 + 4  # one block twice
    (line,) = said
    assert line.startswith("the ") and "computed again by Paddle's own operators, and so is all that follows" in line
    assert re.search(seen, line)


def test_windows_are_computed_again_too():
    source, said, broken = list(film(12, 16, 16)), [], [True]

    def net(lq):
        return (spoilt(nearest(lq)[0]) if broken and lq.shape[1] == 5 else nearest(lq)[0],)

    result = list(Enhancer(net, plan(16, 16), safer=broken.clear, say=said.append)(source))
    assert all(np.array_equal(big.image, enlarged(small.image)) for small, big in zip(source, result, strict=True))
    assert len(said) == 1


@pytest.mark.parametrize("with_safer", [True, False])
@pytest.mark.parametrize("what", ["picture", "state"])
def test_what_stays_infinite_ends_the_run_and_names_frame_and_weights(what, with_safer):
    source, switched = list(film(20, 16, 16)), []
    safer = (lambda: switched.append(1)) if with_safer else None
    with pytest.raises(PpvsrError, match=r"^the frame at 0\.\d\d0 s .* not finite.*; the likely cause are the weights"):
        streamed(Failing(9, what=what), source, safer=safer)
    assert len(switched) == with_safer


def test_what_stays_of_one_colour_is_kept_and_said_once():
    source, said = list(film(20, 16, 16)), []

    def black(lq):
        return (nearest(lq)[0] * 0,)

    result = list(Enhancer(black, plan(16, 16), safer=lambda: None, say=said.append, guard=False)(source))
    assert len(result) == 20 and not any(frame.image.any() for frame in result)
    assert len(said) == 2 and "it is kept" in said[1]


def test_a_film_that_is_black_itself_is_no_fault():
    dark = [Frame(np.full((16, 16, 3), 7 * (i % 2), np.uint8), Fraction(i)) for i in range(8)]
    dark += [Frame(np.random.default_rng(i).integers(0, 4, (16, 16, 3), dtype=np.uint8), Fraction(i)) for i in (8, 9)]
    said = []
    assert len(list(Enhancer(lambda lq: (nearest(lq)[0] * 0,), plan(16, 16), say=said.append)(dark))) == 10
    assert said == []


def test_one_bright_pixel_is_not_one_colour():
    source = np.zeros((20, 20, 3), np.uint16)
    source[7, 7, 1] = 65535
    black = np.zeros((80, 80, 3), np.uint16)
    assert lost(black, source) and not lost(black, source * 0) and not lost(source, source)
    assert not lost(black[:0], source[:0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_any_number_that_is_not_finite_is_found(bad):
    good = paddle.rand([3, 50, 50])
    wrong = good.clone()
    wrong[2, 49, 49] = bad
    assert unsound([good, good]) is None and unsound([good, wrong]) == 1
