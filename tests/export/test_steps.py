"""PP-MSVSR from its steps, by the loop that docs/export.md prints."""

import re
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml

from ppvsr.errors import UsageError
from ppvsr.export.files import Origin, Target
from ppvsr.export.write import Options, write_steps
from tests.archs.nets import clip, tiny

pytest.importorskip("paddle2onnx")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def loop():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(encoding="utf-8"), re.DOTALL)
    (text,) = [each for each in blocks if "class Steps" in each]
    assert "paddle" not in text
    names = {}
    exec(text, names)
    return names


@pytest.mark.slow
def test_the_printed_loop_gives_what_the_network_gives(loop, tmp_path, in_process):
    net = tiny("MSVSR")
    net.eval()
    film = clip(1, 5, 64, 72)
    frames = [frame.numpy() for frame in film.unbind(1)]
    with paddle.no_grad():
        whole = net(film)[-1].numpy()[0]
        first, state = net.extend(None, film.unbind(1)[:4], last=False, look_ahead=2)
        second, _ = net.extend(state, film.unbind(1)[4:], last=True, look_ahead=2)
    listed = write_steps(net, Target(tmp_path, "small", "onnx"), Origin("MSVSR"), Options(), print)

    about = yaml.safe_load(listed.read_text())
    assert listed == tmp_path / "small_steps/steps.yaml" and about["kind"] == "steps"
    assert {each["step"] for each in about["steps"]} == set(net.steps) and len(about["steps"]) == 14
    row = next(each for each in about["steps"] if each["words"] == ["stage2_forward"] and each["step"] == "propagate")
    assert [each["name"] for each in row["inputs"]] == ["state", "flow", "feats_0", "feats_1", "feats_2"]
    assert row["inputs"][1]["shape"] == [None, 2, None, None] and len(row["outputs"]) == 3

    run = loop["Steps"](listed.parent)
    pictures, _ = loop["enlarge"](run, frames, {}, known=5, last=True)
    np.testing.assert_allclose(np.concatenate(pictures), whole, rtol=0, atol=1e-4)
    early, carried = loop["enlarge"](run, frames[:4], {}, known=2, last=False)
    late, _ = loop["enlarge"](run, frames[2:], carried, known=3, last=True)
    expected = [each.numpy() for each in (*first, *second)]
    np.testing.assert_allclose(np.concatenate([*early, *late]), np.concatenate(expected), rtol=0, atol=1e-4)
    assert np.abs(early[1] - whole[1]).max() > 1e-4, "look-ahead is shorter than the film"


def test_steps_have_no_auxiliary_and_not_every_network_has_steps(tmp_path):
    target = Target(tmp_path, "n", "paddle")
    with pytest.raises(UsageError, match="--auxiliary: it is for whole clips"):
        write_steps(tiny("MSVSR"), target, Origin("MSVSR"), Options(auxiliary=True), print)
    with pytest.raises(UsageError, match="--steps: EDVRNet has no steps; export it as a whole"):
        write_steps(tiny_edvr(), target, Origin("EDVRNet"), Options(), print)


def tiny_edvr():
    from ppvsr.archs.edvr import EDVRNet

    return EDVRNet(nf=8, front_RBs=1, back_RBs=1, w_TSA=False)
