"""The arithmetic of the benchmarks; what they measure is for people to run."""

import json

import pytest

from benchmarks import targets
from benchmarks.chart import draw
from benchmarks.targets import Row
from benchmarks.time_spent import digest, flops

CONVOLUTION = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,brg,forward_inference,src:f32 dst:f32,,alg:convolution_direct,"
    "mb1_ic32oc64_ih90oh90kh3sh1dh0ph1_iw160ow160kw3sw1dw0pw1,2.0"
)
OWN = "ppvsr_verbose,exec,conv3x3,mb1_ic8oc4_ih10oh10kh3_iw20ow20kw3,0.5", "ppvsr_verbose,exec,offsets,mb1,0.25"
REORDER = "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32 dst:f32,,,1x1x90x1,1.0"
REPORT = {"seconds": 0.01, "frames": 2, "steps": {"a": 3.0, "b": 1.0}, "machine": 1e12}


def test_operations_follow_from_what_operators_say():
    assert flops("mb1_ic32oc64_ih90oh90kh3sh1dh0ph1_iw160ow160kw3sw1dw0pw1") == 2 * 32 * 64 * 9 * 90 * 160
    assert flops("g4mb2_ic8oc8_ih9oh5kh3sh2dh0ph1_iw9ow5kw3sw2dw0pw1") == 2 * 2 * 8 * 8 * 9 * 25 / 4
    with pytest.raises(SystemExit, match="unknown way"):
        flops("1x1x90x1")


def test_only_what_lies_between_the_marks_counts():
    lines = [CONVOLUTION, "ppvsr:begin", CONVOLUTION, REORDER, "noise", *OWN, "ppvsr:end", REORDER, *OWN]
    result = digest([*lines, f"ppvsr:report {json.dumps(REPORT)}"])
    assert result["operators"]["convolution"] == pytest.approx(0.2)
    assert result["operators"]["reorder"] == pytest.approx(0.1)
    assert result["operators"]["own conv3x3"] == pytest.approx(0.05)
    assert result["operators"]["own offsets"] == pytest.approx(0.025)
    assert sum(result["operators"].values()) == pytest.approx(1) and result["steps"] == {"a": 0.75, "b": 0.25}
    assert result["convolutions"] == pytest.approx(2 * 9 * (32 * 64 * 90 * 160 + 8 * 4 * 10 * 20) / 0.0025)
    assert result["share"] == pytest.approx(result["convolutions"] / 1e12)


@pytest.mark.parametrize(
    ("measured", "least", "met"),
    [(7, True, "no"), (8, True, "yes"), (20, True, "aim"), (9, False, "no"), (8, False, "yes")],
)
def test_a_row_knows_what_was_reached(measured, least, met):
    assert Row("a", 8, 14 if least else 3, measured, "x", least=least).met == met


def test_a_row_without_an_aim_is_met_or_not():
    assert Row("a", 2e-4, None, 1e-5, "", least=False).met == "yes"
    assert "1.0e-05" in str(Row("a", 2e-4, None, 1e-5, "", least=False))


def test_ours_stand_on_both_sides_of_theirs(monkeypatch):
    times = {"compiled": iter([1.0, 3.0, 1.0]), "paddle": iter([16.0, 16.0])}
    asked = []

    class Fake:
        def __init__(self, order):
            self.backend = order["backend"]
            self.folder = order["folder"]

        def hear(self):
            return {"used": self.backend}

        def ask(self, word):
            if word == "end":
                targets.np.save(f"{self.folder}/{self.backend}.npy", targets.np.ones(3))
                return {}
            asked.append(self.backend)
            seconds = next(times[self.backend])
            return {"seconds": seconds, "cpu_seconds": 2 * seconds}

    monkeypatch.setattr(targets, "Worker", Fake)
    assert targets.against_dygraph("PPMSVSR", "64x64", 2, 2, 1) == (8.0, 8.0, 0.0)
    assert asked == ["compiled", "paddle", "compiled", "paddle", "compiled"]


@pytest.mark.slow
def test_the_chart_is_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [{"what": "a", "unit": "x", "measured": 10.0, "required": 8.0, "aim": 14.0}]
    draw({"rows": rows, "threads": 2}, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit, match="no ratios"):
        draw({"rows": [], "threads": 2}, tmp_path / "none.png")
