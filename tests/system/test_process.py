"""Processes of our own modules: what they find, and how they end."""

import os
import sys
from pathlib import Path

import pytest

from ppvsr.system import process
from ppvsr.system.process import LOG, Ending, command, environment, run

PRINTS = "import sys, os; print(__name__, *sys.argv[1:], os.environ.get('MORE')); import beside; print(beside.__file__)"


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A folder of modules that this process finds by a relative path, and another one where children start."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "beside.py").write_text("")
    (here / "printing.py").write_text(PRINTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["here", *sys.path])
    return here, there


def python(code):
    return [sys.executable, "-c", code]


def test_a_module_runs_as_main_and_finds_what_this_process_found(modules):
    here, there = modules
    ending = run(command("printing", "a b", "c"), there, patience=60)
    assert ending.log.splitlines() == ["__main__ a b c None", str(here / "beside.py")] and ending.code == 0
    assert (there / LOG).read_text() == ending.log


def test_modules_that_lie_where_the_user_stands_are_not_found(modules):
    _, there = modules
    sys.path.remove("here")
    ending = run(command("beside"), there, patience=60)
    assert ending.code == 1 and ending.last_line == "ImportError: No module named beside"


def test_our_own_modules_come_first_and_more_may_be_said():
    words = environment(MORE="1", GLOG_minloglevel="3")
    assert words["PYTHONPATH"].split(os.pathsep)[0] == str(Path(process.__file__).parents[2])
    assert words["MORE"] == "1" and words["GLOG_minloglevel"] == "3" and words["PATH"] == os.environ["PATH"]


def test_a_folder_that_this_process_looks_in_stays_one_wherever_the_child_starts(modules, tmp_path):
    sys.path.insert(0, "")
    paths = environment()["PYTHONPATH"].split(os.pathsep)
    assert "" not in paths and str(tmp_path) in paths and str(tmp_path / "here") in paths


@pytest.mark.parametrize(
    ("code", "signal", "last"),
    [
        ("import os; print('step 3\\n', flush=True); os.abort()", "SIGABRT", "step 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL", None),
        ("raise SystemExit(3)", None, None),
        ("raise ValueError('no 5')", None, "ValueError: no 5"),
        ("", None, None),
    ],
)
def test_an_ending_knows_signal_and_last_line(code, signal, last, tmp_path):
    ending = run(python(code), tmp_path, patience=60)
    assert (ending.signal, ending.last_line, ending.short) == (signal, last, False)


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_stopped(tmp_path):
    ending = run(python("import time; print('begun', flush=True); time.sleep(60)"), tmp_path, patience=2)
    assert (ending.code, ending.signal, ending.last_line) == (None, None, "begun")


@pytest.mark.parametrize("said", ["MemoryError", "what():  std::bad_alloc\n(core dumped)", "OSError: No space left on"])
def test_a_process_that_starved_says_so(said):
    assert Ending(1, f"some lines\n{said}\nand more").short


def test_a_signal_without_a_name_is_a_number():
    assert Ending(-50, "").signal == "signal 50" and Ending(0, "").signal is None


def test_what_libraries_say_is_no_reason_to_fail(tmp_path):
    code = "import os; os.write(2, b'\\xff\\xfe binary\\n')"
    assert run(python(code), tmp_path, patience=60).last_line == "\ufffd\ufffd binary"


def test_nothing_waits_for_the_keyboard(tmp_path):
    assert run(python("import sys; print(len(sys.stdin.read()))"), tmp_path, patience=60).log == "0\n"
