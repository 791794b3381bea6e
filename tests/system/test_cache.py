"""The cache of compiled things is looked at and tidied without Paddle."""

import fcntl
import os
import subprocess
import sys
import time

import pytest

from ppvsr.system import machine
from ppvsr.system.cache import DAY, cache_folder, clean, inventory
from ppvsr.system.machine import available_threads

OLD, NEW, LEFT, MAKING = (f"MSVSR-{digit * 20}" for digit in "0123")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path))
    programs = tmp_path / "programs"
    for name in (OLD, NEW, f"{LEFT}.abc.part", f"{MAKING}.abc.part"):
        (programs / name).mkdir(parents=True)
        (programs / name / "0.json").write_bytes(bytes(1000))
    for name in (OLD, NEW, LEFT, MAKING):
        (programs / f"{name}.lock").touch()
    (programs / "notes of mine").write_text("keep")
    age(programs / OLD, days=40)
    return programs


def age(folder, days):
    then = time.time() - days * DAY
    for path in (*folder.rglob("*"), folder, folder.with_name(folder.name + ".lock")):
        os.utime(path, (then, then))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_old_programs_and_leftovers_go_and_what_is_being_made_stays(cache):
    with open(cache / f"{MAKING}.lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert {each.place.name for each in clean(30)} == {OLD, LEFT}
    making = [f"{MAKING}.abc.part", f"{MAKING}.lock"]
    assert names(cache) == sorted([NEW, f"{NEW}.lock", *making, "notes of mine"])
    assert [each.place.name for each in clean(0)] and names(cache) == ["notes of mine"]


def test_the_inventory_knows_sizes_and_what_is_finished(cache):
    found = {each.place.name: each for each in inventory()}
    assert found.keys() == {OLD, NEW, LEFT, MAKING}
    assert found[OLD].size == 1000 and found[OLD].finished and not found[LEFT].finished
    assert inventory()[-1].place.name == OLD


def test_no_cache_is_an_empty_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path / "nowhere"))
    assert inventory() == [] and clean(0) == []


def test_the_cache_is_where_it_was_after_a_change_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PPVSR_CACHE", "here")
    assert cache_folder("programs") == tmp_path / "here/programs"


def test_a_user_without_a_home_is_told_what_to_do(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    for name in ("PPVSR_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", nobody)
    with pytest.raises(OSError, match="no home folder; name a folder by \\$PPVSR_CACHE"):
        cache_folder("programs")


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "250000 100000"}, 3),
        ({"cpu.max": "1000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu.max": "nonsense"}, 8),
        ({}, 8),
    ],
)
def test_a_container_s_share_counts(files, threads, tmp_path, monkeypatch):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "CONTROL_GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert available_threads() == threads


def test_nothing_here_needs_paddle():
    code = "import sys, ppvsr.system.cache, ppvsr.system.machine; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
