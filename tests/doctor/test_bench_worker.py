"""What is measured is what films go through."""

import io
import json
from dataclasses import replace

import pytest

from ppvsr.bench_worker import clip, main, make, weights_of
from ppvsr.enhance.network import Engine
from ppvsr.weights.zoo import VARIANTS


def test_every_variant_has_something_to_be_measured_with():
    assert {name: weights_of(name) for name in ("PPMSVSR", "BasicVSR", "Bicubic")} == {
        "PPMSVSR": "real",
        "BasicVSR": "random",
        "Bicubic": "none",
    }


def test_a_worker_answers_until_it_is_told_to_end(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("run\nrun\nend\n"))
    order = {"variant": "Bicubic", "width": 32, "height": 24, "frames": 3, "backend": "dygraph", "threads": 1}
    main(json.dumps(order))
    ready, *rounds, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready["used"] == "none" and len(rounds) == 2 and rounds[0]["seconds"] > 0 and end["peak"] > 0


def test_what_cannot_run_is_an_answer_too(capsys, monkeypatch):
    order = {"variant": "PPMSVSX", "width": 32, "height": 24, "frames": 3, "backend": "dygraph", "threads": 1}
    main(json.dumps(order))
    assert "PPMSVSX" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["PPMSVSRSmall", "PPMSVSRLarge"])
def test_networks_with_and_without_weights_run(variant, monkeypatch):
    row = replace(VARIANTS[variant], options=VARIANTS["PPMSVSRSmall"].options)  # large takes long
    monkeypatch.setitem(VARIANTS, variant, row)
    enhance, plan = make(variant, 32, 40, Engine("dygraph", 1), lambda line: None)
    pictures = [frame.image for frame in enhance(clip(2, 32, 40))]
    assert [picture.shape for picture in pictures] == 2 * [(128, 160, 3)] and "frames" in plan


def test_a_clip_moves_and_is_the_same_every_time():
    first, second = list(clip(2, 16, 20)), list(clip(2, 16, 20))
    assert (first[1].image == second[1].image).all() and not (first[0].image == first[1].image).all()
