"""The command as people type it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ppvsr import doctor
from ppvsr.cli.machine import doctor_main
from ppvsr.doctor import OK, PROBLEM, Finding

ROOT = Path(__file__).parents[2]


@pytest.fixture
def found(monkeypatch):
    """Let all checks in other processes find this."""
    findings = [Finding("Paddle", OK, "works")]

    def inspect(name, patience, say=print):
        if name == "build":
            say("compiling")
        return findings if name in ("paddle", "build") else []

    monkeypatch.setattr(doctor, "inspect", inspect)
    return findings


def test_every_finding_is_a_line_and_the_last_one_is_the_verdict(found, capsys):
    assert doctor_main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("ok ", "warning ")) for line in lines[:-1]) and lines[-1].startswith("ppvsr works here")


def test_a_problem_is_exit_code_1(found, capsys):
    found.append(Finding("FFmpeg", PROBLEM, "gone", "install it"))
    assert doctor_main(["--no-self-test"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "problem  FFmpeg:                gone; install it" in lines and lines[-1].endswith("begin with: FFmpeg")


def test_json_is_all_that_is_printed(found, capsys):
    assert doctor_main(["--json", "--build"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["works"] and {"name": "Paddle", "level": "ok", "text": "works", "advice": ""} in report["findings"]


def test_building_is_told(found, capsys):
    assert doctor_main(["--build"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["compiling", str(found[0])]


def test_the_cache_is_tidied(found, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path))
    assert doctor_main(["--clean"]) == 0
    assert capsys.readouterr().out.startswith("removed 0 from the cache, 0 MB\n")


def test_wrong_use_is_one_line(capsys):
    assert doctor_main(["--clean", "soon"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("ppvsr-doctor: ") and "whole number" in err and err.count("\n") == 1


@pytest.mark.parametrize("tool", ["doctor", "bench"])
def test_the_scripts_run_from_anywhere_without_paddle(tool, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / f"{tool}.py", "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and f"ppvsr-{tool}" in done.stdout, done.stderr
