"""The doctor finds what is wrong, whatever is wrong, and says what to do."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from ppvsr import doctor
from ppvsr.doctor import OK, PROBLEM, WARNING, Finding, Report, compiled_things, examine, inspect
from ppvsr.doctor_worker import DECODERS, ENCODERS, films
from ppvsr.system import machine, process
from ppvsr.weights.zoo import REAL

GOOD = {"paddlepaddle": "3.3.1", "numpy": "2.4.0", "opencv-python-headless": "4.10", "av": "17.0.1"}
GOOD |= {"safetensors": "0.5", "imageio": "2.31", "PyYAML": "6.0.3", "tqdm": "4.66"}


def levels(findings):
    return {each.name: each.level for each in findings}


@pytest.fixture
def packages(monkeypatch):
    """Pretend that just these packages are installed."""

    def pretend(versions):
        def version(name):
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(metadata, "version", version)

    return pretend


@pytest.fixture
def inside(monkeypatch):
    """Let the child of a check be this code."""

    def pretend(code):
        monkeypatch.setattr(doctor, "command", lambda *_: [sys.executable, "-c", code])

    return pretend


BAD = {
    "two OpenCVs": {**GOOD, "opencv-python": "4.10"},
    "two Paddles": {**GOOD, "paddlepaddle-gpu": "3.3.1"},
    "old Paddle": {**GOOD, "paddlepaddle": "2.6.2"},
    "numpy 2, old Paddle": {**GOOD, "paddlepaddle": "2.5.0"},
    "Paddle 3.3.0": {**GOOD, "paddlepaddle": "3.3.0"},
    "untested Paddle": {**GOOD, "paddlepaddle": "3.4.0rc1"},
}


@pytest.mark.parametrize("name", BAD)
def test_known_bad_combinations_are_found(name, packages):
    packages(BAD[name])
    found = {each.name: each for each in doctor.combinations()}
    assert name in found and found[name].advice and found[name].level != OK


def test_good_ones_are_left_alone(packages, monkeypatch):
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    packages(GOOD)
    assert not list(doctor.combinations())
    assert set(levels(doctor.packages()).values()) == {OK}


def test_the_surroundings_count_too(packages, monkeypatch):
    packages(GOOD)
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert {"LD_PRELOAD", "C library", "new Python"} <= levels(doctor.combinations()).keys()


def test_missing_and_old_packages_are_named_with_what_to_do(packages):
    packages({name: version for name, version in GOOD.items() if name != "numpy"} | {"av": "14.2"})
    found = {each.name: each for each in doctor.packages()}
    assert found["numpy"] == Finding("numpy", PROBLEM, "not installed", "pip install -r requirements.txt")
    assert found["av"].level == PROBLEM and "14.2, too old: 17 or newer" in found["av"].text
    assert found["matplotlib"].level == OK and "for curves" in found["matplotlib"].advice


def test_builds_from_source_and_other_names_will_do(packages):
    others = {"paddlepaddle-gpu": "0.0.0", "opencv-python": "4.9"}
    packages(
        {**{name: GOOD[name] for name in GOOD if name not in ("paddlepaddle", "opencv-python-headless")}, **others}
    )
    found = {each.name: each for each in doctor.packages()}
    assert found["paddlepaddle"].level == OK and found["paddlepaddle"].text == "paddlepaddle-gpu 0.0.0"
    assert found["opencv-python-headless"].level == OK


@pytest.mark.parametrize(
    ("flags", "level", "advice"),
    [("fpu sse4_2", PROBLEM, "need AVX"), ("avx sse", WARNING, "several times slower"), ("avx avx2 avx512f", OK, "")],
)
def test_a_processor_s_instructions_decide(flags, level, advice, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: A Chip\nflags\t\t: {flags}\n")
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    found = {each.name: each for each in doctor.machine(tmp_path)}["processor"]
    assert found.level == level and advice in found.advice and "A Chip" in found.text


@pytest.mark.parametrize(("free", "level"), [(2**28, PROBLEM), (2**30, WARNING), (2**33, OK)])
def test_little_memory_is_said(free, level, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "free_memory", lambda: free)
    assert levels(doctor.machine(tmp_path))["free memory"] == level


def test_disks_are_looked_at_where_the_folder_would_be(tmp_path, monkeypatch):
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").write_text("")
    found = {each.name: each for each in doctor.machine(tmp_path / "new/folder")}
    assert str(tmp_path) in found["disk of the output"].text and found["disk of the output"].level != PROBLEM
    assert levels(doctor.machine(tmp_path / "file/below"))["disk of the output"] == PROBLEM
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path / "file"))
    cache = {each.name: each for each in doctor.machine(tmp_path)}["disk of the cache"]
    assert cache.level == WARNING and "$PPVSR_CACHE" in cache.advice


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="of Linux")
def test_a_folder_that_only_looks_writable_is_a_problem():
    found = {each.name: each for each in doctor.machine(Path("/proc/films"))}["disk of the output"]
    assert found == Finding("disk of the output", PROBLEM, "nothing can be written in /proc", "choose another --output")


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10 * 2**20}))
    found = {each.name: each for each in doctor.machine(tmp_path)}["disk of the output"]
    assert found.level == WARNING and found.text.startswith("10 MB free")


def test_weights_are_there_and_intact(tmp_path, monkeypatch):
    assert levels(doctor.bundled_weights()) == {"weights real": OK, "weights bi": OK}
    monkeypatch.setenv("PPVSR_WEIGHTS", str(tmp_path / "nowhere"))
    assert levels(doctor.bundled_weights())["offline weights"] == WARNING
    monkeypatch.setattr(doctor, "BUNDLED", tmp_path)
    (missing, *_) = doctor.bundled_weights()
    assert missing.level == PROBLEM and "is missing" in missing.text
    (tmp_path / str(REAL.file)).write_bytes(b"other")
    (other, *_) = doctor.bundled_weights()
    assert other.level == PROBLEM and "not the file that was published" in other.text


def test_what_is_kept_is_counted_and_unfinished_things_can_be_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path))
    (tmp_path / "programs" / f"MSVSR-{'0' * 20}.x.part").mkdir(parents=True)
    networks, operators = compiled_things()
    assert "0 in" in networks.text and "1 unfinished" in networks.text and "--clean" in networks.advice
    assert not operators.advice
    assert doctor.tidy_up(30) == "removed 1 from the cache, 0 MB"
    assert not list((tmp_path / "programs").iterdir())


ENDINGS = {
    "a crash": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", PROBLEM, "crashed (SIGSEGV)"),
    "an exception": ("raise ImportError('libgomp.so.1: no such file')", PROBLEM, "failed: ImportError: libgomp.so.1"),
    "an exit": ("raise SystemExit(3)", PROBLEM, "failed with exit code 3"),
    "no end": ("import time; print('noise', flush=True); time.sleep(60)", WARNING, "no end after 1 s"),
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_however_a_check_ends_there_is_one_line(ending, inside):
    code, level, text = ENDINGS[ending]
    inside(code)
    (found,) = inspect("paddle", patience=1 if ending == "no end" else 60)
    assert (found.name, found.level) == ("Paddle", level) and text in found.text
    assert "\n" not in str(found)


def test_findings_come_through_whatever_else_is_printed(inside):
    finding = {"name": "a", "level": OK, "text": "b"}
    inside(f"import json; print('chatter'); print('[1]'); print({json.dumps(json.dumps(finding))}); print('{{')")
    assert list(inspect("films", patience=60)) == [Finding("a", OK, "b")]


def test_a_check_that_fails_itself_is_a_finding(monkeypatch, tmp_path):
    def faint(_):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(doctor, "machine", faint)
    monkeypatch.setattr(doctor, "inspect", lambda name, patience: [])
    report = examine(tmp_path)
    assert report.findings[0].level == WARNING and report.findings[0].text.endswith("RuntimeError: two")


def test_what_stands_on_paddle_is_left_out_where_paddle_does_not_work(monkeypatch, tmp_path):
    asked = []

    def broken(name, patience):
        asked.append(name)
        return [Finding("Paddle", PROBLEM, "crashed")] if name == "paddle" else []

    monkeypatch.setattr(doctor, "inspect", broken)
    report = examine(tmp_path)
    assert asked == ["paddle", "films", "test_film"]
    assert not report.works and report.verdict().endswith("begin with: Paddle")


def test_without_paddle_the_doctor_works_and_says_so(tmp_path, monkeypatch):
    hide = "import sys; sys.modules['paddle'] = None; import ppvsr.system.paddle as f; f.metadata = None;"
    hide += "f.check_paddle = lambda: (_ for _ in ()).throw(__import__('ppvsr.errors').errors.PpvsrError('no Paddle'));"
    monkeypatch.setattr(process, "CODE", f"{hide}\n{process.CODE}")
    (found,) = inspect("paddle", patience=60)
    assert found == Finding("Paddle", PROBLEM, "no Paddle")
    assert [each.level for each in inspect("test_film", patience=60)] == [OK]


def test_the_codecs_that_films_need_are_here(monkeypatch):
    found = list(films())
    assert {each.level for each in found} == {OK}
    monkeypatch.setattr("ppvsr.doctor_worker._has", lambda name, mode: name not in ("libx264", "vp9"))
    found = {each.text: each.level for each in films()}
    assert found["not in this FFmpeg: mp4, mkv and mov, the default"] == PROBLEM and found["no vp9"] == WARNING
    assert "libx264" in ENCODERS and "vp9" in DECODERS


def test_the_last_line_counts():
    bad, odd, good = Finding("a", PROBLEM, ""), Finding("b", WARNING, ""), Finding("c", OK, "")
    assert Report((good,)).verdict() == "ppvsr works here"
    assert Report((good, odd)).verdict() == "ppvsr works here, 1 warning"
    assert Report((odd, bad, bad)).verdict() == "2 of these make ppvsr fail, 1 warning; begin with: a"
    assert Report((odd,)).as_json()["findings"][0] == {"name": "b", "level": WARNING, "text": "", "advice": ""}
