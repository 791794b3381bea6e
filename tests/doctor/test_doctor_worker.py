"""What the doctor does in processes of its own, done here: it says what it sees, and sees what is wrong."""

import json

import numpy as np
import pytest

from ppvsr import doctor_worker
from ppvsr.doctor import OK, PROBLEM, WARNING
from ppvsr.errors import PpvsrError


def by_name(findings):
    return {each.name: each for each in findings}


def test_a_film_goes_through():
    (found,) = doctor_worker.test_film()
    assert found.level == OK


def test_a_film_that_loses_frames_is_a_problem(monkeypatch):
    from ppvsr.enhance import video

    own = video.enhance_video
    monkeypatch.setattr(video, "enhance_video", lambda *arguments: own(*arguments, frames=2))
    (found,) = doctor_worker.test_film()
    assert found.level == PROBLEM and "3 frames went in, 2 came out" in found.text


@pytest.mark.slow
def test_the_bundled_network_draws_a_picture():
    found = by_name(doctor_worker.test_network())
    assert {each.level for each in found.values()} == {OK} and "test: a network" in found


@pytest.mark.parametrize("change", [lambda image: image, lambda image: image * 0, lambda image: image[::2]])
def test_what_is_no_picture_is_noticed(change, monkeypatch):
    from ppvsr.enhance import video

    own = video.enhance_frames

    def broken(frames, variant=None, **_):
        images = own(frames, "Bicubic")
        return images if variant else (change(image) for image in images)

    monkeypatch.setattr(video, "enhance_frames", broken)
    assert by_name(doctor_worker.test_network())["test: a network"].level == PROBLEM


def test_an_operator_that_is_wrong_is_not_to_be_used(monkeypatch):
    from ppvsr.ops import build, native

    monkeypatch.setattr(build, "built", lambda sources: (["g++"], sources))
    monkeypatch.setattr(native, "load", lambda: None)
    monkeypatch.setattr(native, "deform_conv2d", lambda x, *_, **__: x)
    monkeypatch.setattr(native, "conv3x3", lambda xs, *_, **__: xs[0])
    (found,) = doctor_worker._operators()
    assert found.level == WARNING and "--backend dygraph" in found.advice


def test_without_a_compiler_the_loss_is_told(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    (found,) = doctor_worker.backends()
    assert found.level == WARNING and "no-such-compiler" in found.text and "several times slower" in found.advice


def test_what_is_not_built_yet_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "true")
    found = by_name(doctor_worker.backends())
    assert "not built yet" in found["own operators"].text and "--build" in found["own operators"].advice


@pytest.mark.parametrize(
    ("verdict", "level", "text"),
    [
        (None, OK, "not compiled yet"),
        ({"reason": "the proof crashed (SIGSEGV)"}, WARNING, "the proof crashed (SIGSEGV)"),
        ({"programs": [{}, {}], "difference": 1e-5}, OK, "2 programs, largest difference 1.0e-05"),
    ],
)
def test_a_verdict_is_told(verdict, level, text, monkeypatch, tmp_path):
    monkeypatch.setattr("ppvsr.compile.backend.whereabouts", lambda *_, **__: tmp_path)
    monkeypatch.setattr("ppvsr.compile.backend.read_verdict", lambda folder: verdict)
    found = doctor_worker._programs(native=False)
    assert found.level == level and text in found.text


@pytest.mark.parametrize(("used", "level"), [("compiled", OK), ("dygraph", WARNING)])
def test_building_ends_with_what_was_built(used, level, monkeypatch):
    def use_backend(net, options, backend, say):
        say("not compiled: a reason" if used == "dygraph" else "compiled in 9 s")
        return used

    monkeypatch.setattr("ppvsr.compile.backend.use_backend", use_backend)
    monkeypatch.setattr("ppvsr.ops.native.load", lambda: "no compiler")
    said = []
    found = by_name(doctor_worker.build(said.append))
    assert found["own operators"].level == WARNING and found["compiled network"].level == level
    assert said[0].startswith("own operators: compiled now") and said[1].startswith("network: ")


def test_paddle_multiplies(monkeypatch, capsys):
    (found,) = doctor_worker.paddle_works()
    assert found.level == OK and "works on cpu" in found.text
    monkeypatch.setattr("paddle.matmul", lambda a, b: a)
    (found,) = doctor_worker.paddle_works()
    assert found.level == PROBLEM and "64.0, not 512" in found.text


def test_what_users_are_told_elsewhere_becomes_a_finding(monkeypatch, capsys):
    def fail():
        raise PpvsrError("two\nlines")
        yield

    monkeypatch.setattr(doctor_worker, "films", fail)
    doctor_worker.main("films")
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["level"], found["text"]) == ("FFmpeg", PROBLEM, "two lines")


def test_the_pattern_of_the_tests_has_edges():
    first, second, _ = doctor_worker.pictures()
    assert first.shape == (64, 64, 3) and not np.array_equal(first, second) and np.ptp(first) > 150
