"""The parts of the service that need no process."""

import asyncio
import errno
import io
import os
import stat
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
if sys.platform == "win32":
    pytest.skip("the service runs on Linux and macOS", allow_module_level=True)

import httpx
from starlette.exceptions import HTTPException

from deploy.serve import main
from deploy.service import process
from deploy.service.app import make_app
from deploy.service.folder import working_folder
from deploy.service.foreman import _result
from deploy.service.jobs import Job, Jobs, shown
from deploy.service.limits import Limits
from deploy.service.messages import Progress, read_report
from deploy.service.process import Process
from deploy.service.uploads import save
from ppvsr.errors import UsageError


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variant", "PPMSVSX"], "did you mean PPMSVSR"),
        (["--variant", "Bicubic", "--backend", "fast"], "backend 'fast': there are auto, compiled, dygraph"),
        (["--variant", "Bicubic", "--port", 70000], "--port 70000: cannot be opened"),
        (["--variant", "Bicubic", "--host", "no such host"], "--host no such host --port 8000: cannot be opened"),
        (["--variant", "Bicubic", "--port", 0, "--folder", "/nowhere"], "--folder /nowhere: cannot be written"),
        (["--variant", "Bicubic", "--port", 0, "--token-file", "/nowhere"], "--token-file /nowhere: cannot be read"),
        (["--max-upload", "many"], "'many' is not an amount of memory"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("ppvsr-serve: ") and message in err and err.count("\n") == 1


def test_missing_packages_are_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run("--variant", "Bicubic") == 1
    assert "'uvicorn' is missing: pip install" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", " \n", "two words"])
def test_a_token_is_one_word(text, tmp_path, capsys):
    path = tmp_path / "token"
    path.write_text(text)
    assert run("--variant", "Bicubic", "--port", 0, "--folder", tmp_path, "--token-file", path) == 2
    assert "must hold one word" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.mp4", "a.mp4"),
        ("/x/y.mkv", "y.mkv"),
        ("C:\\films\\z.avi", "z.avi"),
        ("..", "film"),
        ("\u202egnp.mp4", "gnp.mp4"),
        ("a" * 100 + ".mp4", "a" * 76 + ".mp4"),
    ],
)
def test_names_are_only_shown(name, expected):
    assert shown(name) == expected


def test_a_film_that_goes_on_and_on_is_stopped():
    info = SimpleNamespace(rate=Fraction(25))
    limits = Limits(duration=2)
    limits.check_progress(info, 51)
    with pytest.raises(UsageError, match="the film goes on after 2 s"):
        limits.check_progress(info, 52)


def test_a_film_without_a_duration_is_measured_by_its_frames():
    info = SimpleNamespace(width=8, height=8, duration=None, frames=100, rate=Fraction(25))
    Limits(duration=4).check_film(info)
    with pytest.raises(UsageError, match=r"the film takes 4\.0 s, more than 3 s"):
        Limits(duration=3).check_film(info)


def test_results_lie_in_the_folder_of_their_job_and_nowhere_else(tmp_path):
    job = Job("id", "name", tmp_path / "job")
    job.results.mkdir(parents=True)
    (job.results / "film.mp4").write_bytes(b"film")
    (tmp_path / "secret").write_bytes(b"secret")
    (job.results / "link.mp4").symlink_to(tmp_path / "secret")
    assert _result(job, "film.mp4") == job.results / "film.mp4"
    for name in ("../../secret", str(tmp_path / "secret"), "link.mp4", "", "."):
        assert _result(job, name) is None


def test_what_a_worker_says_is_checked():
    assert read_report(b'{"kind": "progress", "done": 1, "total": null}') == Progress(done=1, total=None)
    for line in (b"", b"{}", b"[1]", b'{"kind": "progress", "done": "all", "total": 1}', b'{"kind": "eval"}'):
        with pytest.raises(ValueError, match="validation error"):
            read_report(line)


def test_a_folder_in_use_is_left_alone(tmp_path):
    with working_folder(tmp_path) as first, working_folder(tmp_path) as second:
        assert first != second and first.is_dir() and stat.S_IMODE(first.stat().st_mode) == 0o700
    assert not list(tmp_path.iterdir())


def test_the_oldest_results_make_way(tmp_path):
    async def close_three():
        jobs = Jobs(tmp_path, Limits(kept=2))
        for name in "abc":
            job = jobs.open(name)
            job.source.write_bytes(b"film")
            await jobs.close(job)
        return jobs

    jobs = asyncio.run(close_three())
    assert [job.name for job in jobs] == ["b", "c"]
    assert {path.name for path in tmp_path.iterdir()} == {job.id for job in jobs}
    assert not list(tmp_path.glob("*/source"))


def ask(app, method, path):
    """Send one request to a service in this process."""

    async def send():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as client,
        ):
            await asyncio.sleep(0)  # lets the foreman begin
            return await client.request(method, path)

    return asyncio.run(send())


def test_a_service_that_cannot_go_on_says_so(tmp_path, monkeypatch, caplog):
    async def fail():
        raise RuntimeError("a bug")

    monkeypatch.setattr(Process, "start", fail)
    answer = ask(make_app(tmp_path, {}, Limits()), "GET", "/health")
    assert answer.status_code == 503 and answer.json()["status"] == "failed"
    assert "the service cannot go on" in caplog.text and "a bug" in caplog.text


def test_what_nobody_thought_of_is_one_line_too(tmp_path, monkeypatch):
    async def never():
        await asyncio.Event().wait()

    def broken(jobs, name):
        raise RuntimeError("a secret path")

    monkeypatch.setattr(Process, "start", never)
    monkeypatch.setattr(Jobs, "open", broken)
    answer = ask(make_app(tmp_path, {}, Limits()), "POST", "/jobs")
    assert answer.status_code == 500
    assert answer.json() == {"error": "unexpected RuntimeError; the log of the service says more"}


@pytest.mark.parametrize(("number", "expected"), [(errno.ENOSPC, HTTPException), (errno.EIO, OSError)])
def test_a_full_disk_is_not_the_clients_fault(tmp_path, number, expected):
    class Full(io.BytesIO):
        def write(self, part):
            raise OSError(number, "no")

    async def parts():
        yield b"film"

    path = SimpleNamespace(open=lambda mode: Full())
    with pytest.raises(expected) as caught:
        asyncio.run(save(parts(), path, Limits(), announced=None))
    if expected is HTTPException:
        assert caught.value.status_code == 507 and "the disk of the service is full" in caught.value.detail


@pytest.mark.parametrize(("number", "expected"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 500)])
def test_a_disk_without_room_for_a_job_s_folder_is_told_and_nothing_stays(number, expected, tmp_path, monkeypatch):
    async def never():
        await asyncio.Event().wait()

    own = Path.mkdir

    def mkdir(path, *arguments, **options):
        if path.name == "results":
            own(path.parent)
            raise OSError(number, os.strerror(number))
        own(path, *arguments, **options)

    monkeypatch.setattr(Process, "start", never)
    monkeypatch.setattr(Path, "mkdir", mkdir)
    answer = ask(make_app(tmp_path, {}, Limits()), "POST", "/jobs")
    assert answer.status_code == expected and not list(tmp_path.iterdir())
    assert expected == 500 or answer.json() == {"error": "the disk of the service is full; try again later"}


def test_a_worker_that_talks_nonsense_is_ended(tmp_path, monkeypatch):
    async def start():
        return await Process.start()

    for code, message in (("print('hello')", "said what is no report"), ("raise SystemExit(3)", "exit code 3")):
        monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", code))
        with pytest.raises(process.Ended, match=message):
            asyncio.run(start())
    progress = 'print(chr(123) + \'"kind": "progress", "done": 1, "total": null\' + chr(125), flush=True); input()'
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", progress))
    with pytest.raises(process.Ended, match="does not begin with being ready"):
        asyncio.run(start())
