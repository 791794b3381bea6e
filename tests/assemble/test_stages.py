"""Names into enhancers, with real weights."""

from fractions import Fraction

import numpy as np
import pytest

from ppvsr.assemble.stages import Cut, choose_stages, make_enhancer
from ppvsr.errors import PpvsrError, UsageError
from ppvsr.framework import use_device
from ppvsr.video.frames import Frame

MB = 2**20


def test_tiles_show_no_seam():
    """Within one frame the network sees less far than the tiles overlap, so nothing may differ."""
    use_device("cpu")
    (stage,) = choose_stages("PPMSVSR", None)
    frame = Frame(np.random.default_rng(0).integers(0, 256, (130, 260, 3), dtype=np.uint8), Fraction(0))
    whole, one = make_enhancer(stage, 130, 260, 8, Cut(num_frames=1, memory=4000 * MB))
    tiled, four = make_enhancer(stage, 130, 260, 8, Cut(num_frames=1, memory=800 * MB))
    assert (one.count, four.count) == (1, 4)
    (a,), (b,) = whole([frame]), tiled([frame])
    assert np.array_equal(a.image, b.image)


@pytest.mark.parametrize(
    ("variant", "cut", "window", "overlap"),
    [
        ("PPMSVSR", Cut(), 20, 2),
        ("PPMSVSR", Cut(num_frames=4), 4, 1),
        ("PPMSVSR", Cut(num_frames=9, overlap=4), 9, 4),
        ("Bicubic", Cut(num_frames=9, overlap=4), 1, 0),
    ],
)
def test_windows_are_chosen_by_the_variant_or_the_user(variant, cut, window, overlap):
    (stage,) = choose_stages(variant, None)
    _, plan = make_enhancer(stage, 90, 160, 8, cut)
    assert (plan.window, plan.overlap) == (window, overlap)


def test_more_bits_take_more_memory():
    (stage,) = choose_stages("Bicubic", None)
    shallow, deep = (make_enhancer(stage, 1080, 1920, bits, Cut(memory=10**12))[1].peak for bits in (8, 10))
    assert 1.8 * shallow < deep < 2 * shallow


def test_a_film_too_large_for_the_memory_is_refused():
    (stage,) = choose_stages("Bicubic", None)
    with pytest.raises(PpvsrError, match=r"3840x2160 needs about .* may be used"):
        make_enhancer(stage, 2160, 3840, 8, Cut(memory=1000 * MB))


def test_weights_may_be_given_by_variant(tmp_path):
    file = tmp_path / "mine.npz"
    file.write_bytes(b"")
    first, second = choose_stages(["PPMSVSR", "BasicVSR"], {"BasicVSR": str(file)})
    assert first.weights.name == "small-bi" and second.weights == file
    assert str(file) in str(second)


def test_a_chain_needs_a_link():
    with pytest.raises(UsageError, match="no variant was named"):
        choose_stages([], None)
