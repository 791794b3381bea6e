"""Names into enhancers, with real weights."""

from fractions import Fraction

import numpy as np
import pytest

from ppvsr.enhance.network import Cut, Engine, choose_stages, make_enhancer, plan_stage
from ppvsr.errors import PpvsrError, UsageError
from ppvsr.system.paddle import use_device
from ppvsr.video.frames import Frame

MB = 2**20


@pytest.mark.slow
def test_tiles_show_no_seam():
    """Within one frame the network sees less far than the tiles overlap, so nothing may differ.

    But for the last digit of sums, whose order depends on the size of a picture: a number between two levels may be
    rounded to the other one, anywhere, once in a hundred thousand times.
    """
    use_device("cpu")
    (stage,) = choose_stages("PPMSVSRSmall", None)
    frame = Frame(np.random.default_rng(0).integers(0, 256, (130, 260, 3), dtype=np.uint8), Fraction(0))
    plans = [plan_stage(stage, 130, 260, Cut(num_frames=1, memory=size * MB)) for size in (4000, 1050)]
    assert [plan.count for plan, _ in plans] == [1, 3]
    (whole,), (tiled,) = (make_enhancer(stage, *plan)([frame]) for plan in plans)
    difference = np.abs(whole.image.astype(int) - tiled.image)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-5


@pytest.mark.parametrize(
    ("variant", "cut", "window", "overlap"),
    [
        ("PPMSVSR", Cut(), 8, 2),  # as long as `real` is stable
        ("PPMSVSRSmall", Cut(), 20, 2),
        ("PPMSVSR", Cut(num_frames=4), 4, 1),
        ("PPMSVSR", Cut(num_frames=9, overlap=4), 9, 4),
        ("Bicubic", Cut(num_frames=9, overlap=4), 1, 0),
    ],
)
def test_windows_are_chosen_by_the_variant_or_the_user(variant, cut, window, overlap):
    (stage,) = choose_stages(variant, None)
    plan, _ = plan_stage(stage, 90, 160, cut)
    assert (plan.window, plan.overlap) == (window, overlap)


@pytest.mark.parametrize(
    ("variant", "cut", "streaming"),
    [
        ("PPMSVSR", Cut(), True),
        ("PPMSVSR", Cut(streaming=False), False),
        ("PPMSVSR", Cut(overlap=0), False),
        ("Bicubic", Cut(), False),
    ],
)
def test_networks_stream_where_they_can_and_may(variant, cut, streaming):
    (stage,) = choose_stages(variant, None)
    assert plan_stage(stage, 90, 160, cut)[0].streaming is streaming


def test_windows_that_nobody_asked_for_become_shorter_when_memory_is_short():
    (stage,) = choose_stages("PPMSVSRSmall", None)
    short = plan_stage(stage, 90, 160, Cut(memory=1150 * MB))[0]
    assert (short.count, short.overlap, short.wanted) == (1, 2, (20, 2)) and 7 <= short.window < 20
    assert short.peak <= 1150 * MB
    assert plan_stage(stage, 90, 160, Cut(num_frames=7))[0].wanted is None
    with pytest.raises(PpvsrError, match=r"160x90 in windows of 20 frames needs about .*shorten the windows"):
        plan_stage(stage, 90, 160, Cut(num_frames=20, memory=600 * MB))
    with pytest.raises(PpvsrError, match=r"160x90 in windows of 5 frames needs about .*: allow more"):
        plan_stage(stage, 90, 160, Cut(memory=450 * MB))


@pytest.mark.slow
def test_what_a_backend_spoils_is_computed_again_on_dygraph(monkeypatch):
    use_device("cpu")
    (stage,) = choose_stages("PPMSVSR", None)
    used, said = [], []

    def use_backend(net, options, backend, **_):
        used.append(backend)
        own = type(net).reconstruct
        spoilt = {"auto": lambda *x: own(net, *x) * float("nan"), "dygraph": lambda *x: own(net, *x)}
        net.reconstruct = spoilt[backend]
        return backend

    monkeypatch.setattr("ppvsr.compile.backend.use_backend", use_backend)
    frame = Frame(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), Fraction(3, 2))
    planned = plan_stage(stage, 64, 64, Cut())
    (result,) = make_enhancer(stage, *planned, Engine(), said.append)([frame])
    assert used == ["auto", "dygraph"] and result.image.std() > 10
    assert said[1].startswith("the frame at 1.500 s became a picture that is not finite; it is computed again")


def test_more_bits_take_more_memory():
    (stage,) = choose_stages("Bicubic", None)
    shallow, deep = (plan_stage(stage, 1080, 1920, Cut(memory=10**12), bits=bits)[0].peak for bits in (8, 10))
    assert 1.8 * shallow < deep < 2 * shallow


def test_a_film_too_large_for_the_memory_is_refused():
    (stage,) = choose_stages("Bicubic", None)
    with pytest.raises(PpvsrError, match=r"3840x2160 needs about .* may be used"):
        plan_stage(stage, 2160, 3840, Cut(memory=1000 * MB))


def test_weights_may_be_given_by_variant(tmp_path):
    file = tmp_path / "mine.npz"
    file.write_bytes(b"")
    first, second = choose_stages(["PPMSVSR", "BasicVSR"], {"BasicVSR": str(file)})
    assert first.weights.name == "real" and second.weights == file
    assert str(file) in str(second)


def test_without_an_encoder_less_memory_is_planned():
    (stage,) = choose_stages("Bicubic", None)
    film, frames = (plan_stage(stage, 1080, 1920, Cut(), encoded=encoded)[0].peak for encoded in (True, False))
    assert frames < film / 4


@pytest.mark.parametrize(
    ("variants", "weights", "message"),
    [
        ("PPMSVSR", {"BasicVSR": "mine.pth"}, "weights are given for BasicVSR, which is not asked for"),
        ("PPMSVSR", {"BasicVRS": "mine.pth"}, "did you mean BasicVSR"),
        ("Bicubic", "bi", "Bicubic has no weights"),
    ],
)
def test_weights_that_nobody_uses_are_refused(variants, weights, message):
    with pytest.raises(UsageError, match=message):
        choose_stages(variants, weights)


def test_in_a_chain_weights_are_for_the_networks():
    stages = choose_stages(["Bicubic", "PPMSVSR", "BasiVSRPlusPlus"], {"BasiVSRPlusPlus": "official"})
    assert [stage.weights and stage.weights.name for stage in stages] == [None, "real", "official"]
    stages = choose_stages(["PPMSVSR", "Bicubic"], "bi")
    assert [stage.weights and stage.weights.name for stage in stages] == ["bi", None]


def test_a_chain_needs_a_link():
    with pytest.raises(UsageError, match="no variant was named"):
        choose_stages([], None)
