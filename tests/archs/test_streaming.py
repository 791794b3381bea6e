"""A film that comes in blocks is enhanced as it would be at once, but for what backward branches cannot see yet."""

from contextlib import contextmanager
from dataclasses import FrozenInstanceError, fields, is_dataclass
from itertools import accumulate

import numpy as np
import paddle
import pytest

from ppvsr.compile.steps import record
from tests.archs.nets import CLASSES, answering, clip, tiny

STREAMING = {
    "MSVSR": {},
    "MSVSR without switches": {"auxiliary_loss": False, "use_refine_align": False, "use_local_connect": False},
    "BasicVSRNet": {},
    "BasicVSRPlusPlus": {},
}
CUTS = [((2, 1, 3), 1), ((1, 4, 1, 0), 2)]  # sizes of blocks of the film, look-ahead
ONCE = {  # calls in a film of 40 frames
    "feat_extract.forward": 40,
    "local_fusion": 40,
    "reconstruct": 40,
    "spynet.both_flows": 39,
    "local_align": 2 * 39,
    "compose": 2 * 38,
}


@pytest.fixture(scope="module", params=STREAMING)
def net(request):
    net = tiny(request.param.split()[0], **STREAMING[request.param])
    net.eval()
    net.min_size = 16  # frames of 64x64 would make these tests slow
    return net


@pytest.fixture(scope="module")
def film():
    return clip(1, 6, 16, 24).unbind(1)


@paddle.no_grad()
def whole(net, film):
    return net(paddle.stack(film, axis=1))[-1].unbind(1)


@paddle.no_grad()
def stream(net, film, sizes, look_ahead):
    """Yield (pictures, state) of every block."""
    state = None
    for number, (size, end) in enumerate(zip(sizes, accumulate(sizes), strict=True), start=1):
        pictures, state = net.extend(state, film[end - size : end], last=number == len(sizes), look_ahead=look_ahead)
        yield pictures, state


@contextmanager
def lazy(net):
    """Have every step work only once and then repeat itself; gives the counts and the answers by call."""
    answers = {}

    def answer(call, key, number, work):
        if call not in answers:
            answers[call] = work()
        return answers[call]

    with answering(net, answer) as counts:
        yield counts, answers


def assert_equal(pictures, others):
    assert len(pictures) == len(others)
    for picture, other in zip(pictures, others, strict=True):
        np.testing.assert_allclose(picture.numpy(), other.numpy(), rtol=0, atol=1e-5)


def tensors_in(value):
    """Return all tensors of a tree of dataclasses, dictionaries and sequences."""
    if isinstance(value, paddle.Tensor):
        return [value]
    if isinstance(value, bool):
        return []
    if is_dataclass(value):
        parts = [getattr(value, field.name) for field in fields(value)]
    else:
        parts = value.values() if hasattr(value, "values") else value
    return [tensor for part in parts for tensor in tensors_in(part)]


def test_only_some_networks_stream():
    assert {name for name, cls in CLASSES.items() if cls.streams} == {"MSVSR", "BasicVSRNet", "BasicVSRPlusPlus"}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(1, 2, 3), (4, 2, 0)])
def test_with_enough_look_ahead_a_stream_is_a_whole_clip(net, film, sizes):
    *early, pictures = [pictures for pictures, _ in stream(net, film, sizes, look_ahead=6)]
    assert not any(early)
    assert len(pictures) == 6
    assert all(bool((picture == other).all()) for picture, other in zip(pictures, whole(net, film), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "look_ahead"), CUTS)
def test_a_stream_is_a_whole_clip_where_nothing_walks_backward(net, film, sizes, look_ahead):
    def silent(call, key, number, work):
        answer = work()
        if "backward" not in key:
            return answer
        return tuple(0 * each for each in answer) if isinstance(answer, tuple) else 0 * answer

    with answering(net, silent):
        pictures = [picture for pictures, _ in stream(net, film, sizes, look_ahead) for picture in pictures]
        assert_equal(pictures, whole(net, film))


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "look_ahead"), CUTS)
def test_a_block_is_what_the_film_so_far_says(net, film, sizes, look_ahead):
    """Everything is computed again from the first frame, but forward states whose pictures are known stay as they were.

    Only they depend on the look-ahead of their time; in BasicVSR, not even they.
    """
    pinned = {}
    first = received = 0
    for (pictures, _), size in zip(stream(net, film, sizes, look_ahead), sizes, strict=True):
        received += size
        last = received == len(film) and size == sizes[-1]
        end = first + len(pictures)

        def answer(call, key, number, work, first=first, end=end):
            if "forward" not in key or key == call[0]:  # no branch
                return work()
            if number < first:
                return pinned[key, number]
            state = work()
            if number < end:
                pinned[key, number] = state
            return state

        with answering(net, answer), paddle.no_grad():
            again, _ = net.extend(None, film[:received], last=last, look_ahead=look_ahead)
        assert_equal(pictures, again[first:end])
        first = end
    assert first == len(film)


@pytest.mark.slow
def test_the_first_block_is_a_clip_whose_last_pictures_wait(net, film):
    """In MSVSR the newest frame only serves stage 1 of the one before it, which knows both neighbours."""
    fused = {}

    def remember(call, key, number, work):
        return fused.setdefault(number, work()) if key == "local_fusion" else work()

    def recall(call, key, number, work):
        return fused[number] if key == "local_fusion" else work()

    with answering(net, remember):
        everything = whole(net, film[:4])
    with answering(net, recall):
        usable = whole(net, film[:3]) if fused else everything
    ((pictures, _), *_) = stream(net, film, (4, 2), look_ahead=2)
    assert_equal(pictures, usable[:2])


def test_nothing_but_what_looks_ahead_is_computed_twice(net, film):
    blocks, look_ahead = (16, 16, 8), 2
    with lazy(net) as (counts, answers):
        kept = [len(list(state.tensors())) for _, state in stream(net, 7 * film, blocks, look_ahead)]
    *branches, last_branch = [key for key in counts if key not in net.steps]
    again = 40 + (len(blocks) - 1) * (look_ahead - net.lag)
    expected = {**ONCE, **dict.fromkeys(branches, again), last_branch: 40}
    expected |= {"auxiliary": again, "align": again - len(blocks) + 39}  # a branch begins without
    assert dict(counts) == {key: expected[key] for key in counts}
    assert kept[0] == kept[1] and kept[2] == 0, "a state grows"
    _, examples = record(net, [clip(1, 3, 16, 24)])
    assert answers.keys() == examples.keys(), "a call that is not compiled"


@pytest.mark.slow
@pytest.mark.parametrize("look_ahead", [1, 2, 5])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 3), (2, 4), (6, 0), (2, 0, 3, 1)])
def test_all_but_the_look_ahead_is_returned(net, film, sizes, look_ahead):
    with lazy(net):
        counts = [len(pictures) for pictures, _ in stream(net, film, sizes, look_ahead)]
    received = list(accumulate(sizes))
    returned = [max(0, n - look_ahead) for n in received[:-1]] + [received[-1]]
    assert list(accumulate(counts)) == returned


@pytest.mark.slow
def test_a_state_can_be_used_again(net, film):
    (_, state), *_ = stream(net, film, (3, 3), 2)
    tensors = list(state.tensors())
    before = [tensor.numpy().copy() for tensor in tensors]
    assert sorted(map(id, tensors)) == sorted(map(id, tensors_in(state)))
    with paddle.no_grad():
        (first, ended), (second, _) = [net.extend(state, film[3:], last=True, look_ahead=2) for _ in range(2)]
        assert all(bool((a == b).all()) for a, b in zip(first, second, strict=True))
        assert all((a == b.numpy()).all() for a, b in zip(before, state.tensors(), strict=True))
        after_the_end, _ = net.extend(ended, film[:1], last=True, look_ahead=2)
    assert_equal(after_the_end, whole(net, film[:1]))
    with pytest.raises(FrozenInstanceError):
        state.pending = ()


@pytest.mark.parametrize(
    ("shapes", "look_ahead", "message"),
    [
        ([(1, 3, 16, 24)], 0, "look_ahead: 0 must be at least 1"),
        ([(1, 3, 16, 24), (3, 16, 24)], 1, r"frame 2 of the block: shape \(3, 16, 24\) must be \(b, 3, h, w\)"),
        ([(1, 4, 16, 24)], 1, r"frame 1 of the block: shape \(1, 4, 16, 24\) must be \(b, 3, h, w\)"),
        ([(1, 3, 15, 24)], 1, "24x15 are too small: both sides must be at least 16"),
        (
            [(1, 3, 24, 24)],
            1,
            r"frame 1 .* differs from .*before, \(1, 3, 16, 24\); give every film a state of its own",
        ),
    ],
)
def test_refuses_what_does_not_go_on_with_the_film(net, film, shapes, look_ahead, message):
    with lazy(net):
        _, state = net.extend(None, film[:1], last=False, look_ahead=1)
    with pytest.raises(ValueError, match=message):
        net.extend(state, [paddle.zeros(shape) for shape in shapes], last=False, look_ahead=look_ahead)
