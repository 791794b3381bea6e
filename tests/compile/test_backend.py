"""Compiled networks: proved by a child process, kept, and left alone where anything is wrong."""

import os
import signal
import sys

import numpy as np
import paddle
import pytest

from ppvsr.compile import backend, worker
from ppvsr.compile.backend import use_backend
from ppvsr.compile.worker import VERDICT, difference
from ppvsr.errors import PpvsrError
from ppvsr.ops import native
from ppvsr.system import cache
from tests.archs.nets import CLASSES, TINY, clip, tiny
from tests.archs.parity import fill

OPTIONS = TINY["MSVSR"]
PAYS_NO_ATTENTION = "import sys; sys.exit()"
CRASHES = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
FAILS = "raise ValueError('no such operator')"
IS_KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
RUNS_SHORT = "raise MemoryError"
IS_STUCK = "import time; time.sleep(60)"
DIFFERS = "import sys, pathlib; pathlib.Path(sys.argv[1], 'verdict.json').write_text('{\"reason\": \"it differs\"}')"


@pytest.fixture(scope="session")
def msvsr():
    net = tiny("MSVSR")
    net.eval()
    return net


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(backend, "home", lambda: tmp_path)


def without_children(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a child was started")

    monkeypatch.setattr(backend, "_order", refuse)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "operator"), [("MSVSR", "ours"), ("BasicVSRNet", "Paddle's")])
def test_compiled_equals_dygraph_and_the_second_start_needs_no_child(name, operator, monkeypatch):
    options = TINY[name]
    net = fill(CLASSES[name](**options))
    net.eval()
    if operator == "Paddle's":
        monkeypatch.setattr("ppvsr.ops.deform.native.load", lambda: "no compiler here")
    elif reason := native.load():
        pytest.skip(reason)
    clips = [clip(1, 3, 64, 64), clip(2, 2, 70, 101)]
    said = []
    assert use_backend(net, options, "dygraph") == "dygraph"
    with paddle.no_grad():
        expected = [net(each)[-1].numpy() for each in clips]
        assert use_backend(net, options, say=said.append) == "compiled"
        assert [line.split()[0] for line in said if line != "no compiler here"] == ["compiling", "compiled"]
        assert ("no compiler here" in said) == (operator == "Paddle's")
        without_children(monkeypatch)
        for _ in range(2):
            for each, truth in zip(clips, expected, strict=True):
                first, second = net(each)[-1], net(each.flip(1))[-1]
                np.testing.assert_allclose(first.numpy(), truth, rtol=0, atol=2e-4)
                assert not np.allclose(first.numpy(), second.numpy(), rtol=0, atol=2e-4)
            said.clear()
            assert use_backend(net, options, "compiled", threads=1, say=said.append) == "compiled"
    assert not [line for line in said if line != "no compiler here"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CRASHES, "the proof crashed .SIGSEGV"),
        (FAILS, "no such operator"),
        (DIFFERS, "it differs"),
        (PAYS_NO_ATTENTION, "ended without a verdict"),
        (RUNS_SHORT, "short of memory or disk: MemoryError"),
        (IS_STUCK, "took more than 0.5 s"),
    ],
)
def test_without_a_proof_dygraph_runs_and_says_why(code, reason, msvsr, monkeypatch):
    monkeypatch.setattr(backend, "WORKSHOP", (sys.executable, "-c", code))
    monkeypatch.setattr(backend, "PATIENCE", 0.5 if code == IS_STUCK else 60)
    said = []
    assert use_backend(msvsr, OPTIONS, say=said.append) == "dygraph"
    assert said[-1].startswith("not compiled, which costs speed only: ") and not vars(msvsr).get("propagate")
    with pytest.raises(PpvsrError, match=f"--backend compiled: .*{reason}.*--backend dygraph"):
        use_backend(msvsr, OPTIONS, "compiled")


def test_a_verdict_against_is_kept_too(msvsr, monkeypatch):
    monkeypatch.setattr(backend, "WORKSHOP", (sys.executable, "-c", CRASHES))
    assert use_backend(msvsr, OPTIONS) == "dygraph"
    without_children(monkeypatch)
    with pytest.raises(PpvsrError, match=r"SIGSEGV.*remove .* to try again"):
        use_backend(msvsr, OPTIONS, "compiled")


@pytest.mark.parametrize(
    ("code", "reason"),
    [(IS_KILLED, f"ended by {signal.SIGKILL.name}; is memory short"), (RUNS_SHORT, "short of memory")],
)
def test_a_child_that_was_ended_or_starved_has_proved_nothing(code, reason, msvsr, monkeypatch, tmp_path):
    monkeypatch.setattr(backend, "WORKSHOP", (sys.executable, "-c", code))
    with pytest.raises(PpvsrError, match=reason):
        use_backend(msvsr, OPTIONS, "compiled")
    assert not list(tmp_path.glob(f"**/{VERDICT}")) and not list(tmp_path.glob("*.part"))


MAKES_ONE = """
import sys, pathlib, json
from ppvsr.compile.worker import digest
home = pathlib.Path(sys.argv[1])
assert pathlib.Path.cwd() == home and sys.path[0] == ""
[(home / f"0.{end}").write_text("{}") for end in ("json", "pdiparams")]
program = {"key": ["propagate"], "file": "0", "digest": digest(home / "0"), "several": False}
(home / "verdict.json").write_text(json.dumps({"programs": [program]}))
"""
DAMAGE = {
    "a program": ("0.json", "[]"),
    "a lost program": ("0.pdiparams", None),
    "a verdict that was not written to its end": ("verdict.json", ""),
    "a verdict of another kind": ("verdict.json", "[]"),
    "programs of another kind": ("verdict.json", '{"programs": {"a": 1}}'),
    "no programs": ("verdict.json", '{"programs": []}'),
    "a program of another kind": ("verdict.json", '{"programs": [1]}'),
    "a program elsewhere": (
        "verdict.json",
        '{"programs": [{"key": ["a"], "file": "../0", "digest": "", "several": false}]}',
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_not_loaded_but_made_again(damage, msvsr, monkeypatch, tmp_path):
    name, text = DAMAGE[damage]
    monkeypatch.setattr(backend, "WORKSHOP", (sys.executable, "-c", MAKES_ONE))
    loaded, said = [], []
    monkeypatch.setattr(backend, "load", lambda path, threads: loaded.append(path.name))
    assert use_backend(msvsr, OPTIONS) == "compiled"
    (place,) = tmp_path.glob("*/")
    sound = (place / name).read_text()
    (place / name).unlink()
    if text is not None:
        (place / name).write_text(text)
    assert use_backend(msvsr, OPTIONS, say=said.append) == "compiled"
    assert said[0].startswith("compiling the network") and (place / name).read_text() == sound
    assert not loaded, "programs are loaded when they first run"


def test_a_step_without_parameters_is_a_program_too(msvsr, monkeypatch):
    monkeypatch.setattr(backend, "WORKSHOP", (sys.executable, "-c", MAKES_ONE.replace(', "pdiparams")', ",)")))
    assert use_backend(msvsr, OPTIONS, "compiled") == "compiled"
    without_children(monkeypatch)
    assert use_backend(msvsr, OPTIONS, "compiled") == "compiled"


def test_a_cache_that_can_only_be_read_serves(msvsr, monkeypatch, tmp_path):
    monkeypatch.setattr(backend, "WORKSHOP", (sys.executable, "-c", MAKES_ONE))
    assert use_backend(msvsr, OPTIONS) == "compiled"

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    for name in ("os.utime", "pathlib.Path.mkdir", "tempfile.mkdtemp"):
        monkeypatch.setattr(name, refuse)
    assert use_backend(msvsr, OPTIONS, "compiled") == "compiled"


def test_use_is_remembered(msvsr, monkeypatch, tmp_path):
    monkeypatch.setattr(backend, "WORKSHOP", (sys.executable, "-c", MAKES_ONE))
    use_backend(msvsr, OPTIONS)
    (verdict,) = tmp_path.glob(f"*/{VERDICT}")
    os.utime(verdict, (0, 0))
    use_backend(msvsr, OPTIONS)
    assert verdict.stat().st_mtime > 1e9


def test_what_a_killed_process_left_is_removed_and_its_child_writes_into_nothing(tmp_path):
    left, other = tmp_path / "A-0.old.part", tmp_path / "B-0.old.part"
    for folder in (left, other):
        folder.mkdir()
    with cache.alone(tmp_path / "A-0") as unfinished:
        assert unfinished != left and not left.exists() and other.exists() and unfinished.is_dir()
    assert not unfinished.exists()


def test_a_lock_that_was_tidied_up_while_one_waited_is_taken_anew(tmp_path, monkeypatch):
    taken = []

    def flock(file):
        taken.append(file)
        if len(taken) == 1:  # upkeep had it, and removed it
            (tmp_path / "A-0.lock").unlink()
        return True

    monkeypatch.setattr(cache, "_flock", flock)
    with cache.alone(tmp_path / "A-0"):
        assert len(taken) == 2 and (tmp_path / "A-0.lock").exists()


def test_other_options_than_those_of_the_network_are_noticed():
    with pytest.raises(ValueError, match=r"different networks: aux_block_down1.0.bias, "):
        worker.fill(tiny("MSVSR"), {name: np.zeros(1) for name in tiny("MSVSR").state_dict()})


def test_a_network_without_steps_stays_on_dygraph():
    said = []
    assert use_backend(paddle.nn.ReLU(), {}, say=said.append) == "dygraph"
    assert "ReLU has no steps that can be compiled" in said[-1]


def test_a_cache_that_cannot_be_written_costs_speed_only(msvsr, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(backend, "home", lambda: tmp_path / "file")
    said = []
    assert use_backend(msvsr, OPTIONS, say=said.append) == "dygraph"
    assert "programs cannot be kept" in said[-1] and "name another folder by $PPVSR_CACHE" in said[-1]


def test_every_fact_has_programs_of_its_own(tmp_path):
    weights = {"a": np.zeros(3, np.float32), "b": np.ones((2, 2), np.float32)}
    facts = ("ppvsr.archs.msvsr:MSVSR", {"mid_channels": 4}, weights, None)
    changes = [(0, "x:MSVSR"), (1, {"mid_channels": 8}), (2, {**weights, "a": np.ones(3, np.float32)}), (3, "0123")]
    places = {backend.place(*facts)}
    for index, change in changes:
        places.add(backend.place(*(change if i == index else fact for i, fact in enumerate(facts))))
    assert len(places) == 1 + len(changes) and all(place.parent == tmp_path for place in places)
    assert backend.place(*facts) in places


def test_no_number_is_a_difference():
    same = [np.zeros(3)]
    assert difference(same, same) == 0
    assert difference([np.array([0.0, 3.0])], [np.array([0.0, 2.0])]) == 0.5
    assert not difference([np.full(3, np.nan)], same) <= 1
