"""The service over real HTTP, in a process of its own."""

import os
import signal
import socket
import sys

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
if sys.platform != "linux":
    pytest.skip("the tests find the worker process in /proc", allow_module_level=True)

from deploy.service.folder import working_folder
from tests.deploy.service import gone, serving, until
from tests.films import make_film, streams

UPLOAD = 2_000_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_film(tmp_path_factory.mktemp("films") / "clip.mp4", 6, sound=True).read_bytes()


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    """A film that keeps the worker busy for longer than any test looks."""
    return make_film(tmp_path_factory.mktemp("films") / "long.mp4", 1500, height=64, width=64).read_bytes()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), "--max-upload", UPLOAD, "--max-waiting", 1) as service:
        yield service


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """Where nearly everything is refused."""
    folder = tmp_path_factory.mktemp("strict")
    token = folder / "token.txt"
    token.write_text("open-sesame\n")
    limits = ["--max-pixels", 5000, "--max-duration", 200, "--max-work", 1, "--keep", 1, "--max-stall", 1]
    with serving(folder / "work", "--token-file", token, *limits) as service:
        service.client.headers["Authorization"] = "Bearer open-sesame"
        yield service


@pytest.mark.slow
def test_a_film_goes_in_and_comes_out_four_times_larger_with_its_sound(service, clip, tmp_path):
    place = service.accepted(clip, "holiday 第一集.mkv")
    job = service.wait(place, "done", "failed")
    assert job | {"id": "", "kept": 0} == {
        "id": "", "name": "holiday 第一集.mkv", "state": "done", "done": 6, "total": 6,
        "error": None, "damage": None, "remark": None, "kept": 0,
    }  # fmt: skip
    assert 3500 < job["kept"] <= 3600
    answer = service.client.get(f"{place}/film")
    assert answer.headers["content-type"] == "video/mp4"
    assert "holiday%20%E7%AC%AC%E4%B8%80%E9%9B%86_4x.mp4" in answer.headers["content-disposition"]
    film = tmp_path / "film.mp4"
    film.write_bytes(answer.content)
    (video, _, width, count), (sound, *_) = streams(film)
    assert (video, width, count, sound) == ("video", 192, 6, "audio")
    assert service.client.delete(place).status_code == 204 and not service.leftovers()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "..\\..\\x", "a\x00b", "\n", "..", "", "x" * 999]
)
def test_a_name_is_never_a_path(service, clip, name):
    place = service.accepted(clip, name)
    job = service.wait(place, "done", "failed")
    assert job["state"] == "done" and not {"/", "\\", "\0", "\n"} & set(job["name"]) and 0 < len(job["name"]) <= 80
    assert ".." not in service.client.get(f"{place}/film").headers["content-disposition"]
    (folder,) = service.leftovers()
    assert folder.name == job["id"]
    service.client.delete(place)


def test_an_announced_upload_that_is_too_large_is_refused_at_once(service):
    answer = service.send(b"\0" * (UPLOAD + 1))
    assert answer.status_code == 413
    assert answer.json() == {"error": f"the film has more than {UPLOAD} bytes; send a smaller one"}
    assert not service.leftovers()


def test_an_upload_that_grows_too_large_is_cut_off(service):
    answer = service.send(b"\0" * 100_000 for _ in range(21))
    assert answer.status_code == 413 and not service.leftovers()


def test_an_empty_upload_is_refused(service):
    answer = service.send(b"")
    assert answer.status_code == 400 and "the film is empty" in answer.json()["error"]


def test_garbage_fails_in_one_line_without_paths(service):
    place = service.accepted(os.urandom(50_000))
    job = service.wait(place, "failed")
    assert job["error"].startswith("the film: is not a film that FFmpeg can read"), job
    assert str(service.folder) not in job["error"] and "\n" not in job["error"]
    answer = service.client.get(f"{place}/film")
    assert answer.status_code == 409 and job["error"] in answer.json()["error"]
    assert not service.leftovers()


def test_a_playlist_cannot_name_files_of_the_server(service):
    place = service.accepted(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    assert "is a list of films" in service.wait(place, "failed")["error"]


def test_an_upload_that_breaks_off_gives_its_place_back(service, clip):
    host, port = service.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        until(lambda: service.client.get("/health").json()["waiting"] == 1)
    until(lambda: service.client.get("/health").json()["waiting"] == 0)
    assert not service.leftovers()


@pytest.mark.slow
def test_a_full_queue_says_so_and_has_places_again(service, clip, long_clip):
    running = service.accepted(long_clip)
    service.wait(running, "running")
    waiting = service.accepted(clip)
    answer = service.send(clip)
    assert answer.status_code == 429 and answer.headers["retry-after"]
    assert answer.json() == {"error": "1 films are waiting; try again later"}
    answer = service.client.get(f"{waiting}/film")
    assert answer.status_code == 409 and "the job is waiting" in answer.json()["error"]
    assert service.client.delete(waiting).status_code == 204
    (worker,) = service.workers()
    assert service.client.delete(running).status_code == 204
    assert service.client.get(running).status_code == 404 and not service.leftovers() and gone(worker)
    again = service.accepted(clip)
    assert service.wait(again, "done", "failed")["state"] == "done"
    service.client.delete(again)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_one_job_only(service, clip, long_clip):
    place = service.accepted(long_clip)
    until(lambda: service.client.get(place).json()["done"])
    next_one = service.accepted(clip)
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    job = service.wait(place, "failed")
    assert job["error"] == "the worker process was ended by SIGKILL; is memory short?"
    assert service.wait(next_one, "done", "failed")["state"] == "done"
    assert service.workers() != [worker]
    service.client.delete(next_one)


def test_a_worker_that_dies_with_nothing_to_do_is_replaced(service, clip):
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSEGV)
    until(lambda: service.workers() != [worker])
    place = service.accepted(clip)
    assert service.wait(place, "done", "failed")["state"] == "done"
    service.client.delete(place)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["/jobs/unknown", "/jobs/..%2F..%2Fetc"])
def test_an_unknown_job_is_not_found(service, method, path):
    answer = service.client.request(method, path)
    assert answer.status_code == 404 and set(answer.json()) == {"error"}


def test_other_paths_and_methods_are_answered_in_json_too(service):
    assert service.client.get("/nothing").json() == {"error": "GET /nothing: not found; see deploy/README.md"}
    assert "method not allowed" in service.client.put("/jobs").json()["error"]
    assert service.send(b"x", "n" * 1001).json() == {"error": "name: String should have at most 1000 characters"}


@pytest.mark.slow
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "open-sesame", "Bearer é"])
def test_without_the_token_nothing_is_done(strict, clip, header):
    answer = strict.send(clip, headers={"Authorization": header.encode()})
    assert answer.status_code == 401 and answer.json() == {"error": "send the token: Authorization: Bearer TOKEN"}
    assert not strict.leftovers()
    assert strict.client.get("/health", headers={"Authorization": header.encode()}).status_code == 200


def test_pages_in_browsers_need_a_token(service, strict, clip):
    """Any page that somebody looks at on this machine could send films to 127.0.0.1."""
    page = {"Origin": "https://example.org"}
    answer = service.send(clip, headers=page)
    assert answer.status_code == 403 and answer.json()["error"].startswith("requests of web pages need a token")
    assert strict.client.get("/jobs/unknown", headers=page).status_code == 404


@pytest.mark.slow
def test_results_are_removed_after_the_stated_time(strict, clip):
    place = strict.accepted(clip)
    assert strict.wait(place, "done", "failed")["state"] == "done"
    until(lambda: strict.client.get(place).status_code == 404)
    until(lambda: not strict.leftovers())


def test_large_pictures_and_long_films_are_refused(strict, tmp_path):
    large = strict.accepted(make_film(tmp_path / "large.mp4", 2, height=72, width=96).read_bytes())
    assert strict.wait(large, "failed")["error"].startswith("frames of 96x72 are more than 5000 pixels")
    long = strict.accepted(make_film(tmp_path / "long.mkv", 201, rate=1).read_bytes())
    assert strict.wait(long, "failed")["error"].startswith("the film takes 201.0 s, more than 200 s")


@pytest.mark.slow
def test_a_job_that_takes_too_long_is_stopped(strict, long_clip):
    place = strict.accepted(long_clip)
    assert strict.wait(place, "failed")["error"].startswith("it took more than 1 s and was stopped")
    assert not strict.leftovers()


@pytest.mark.slow
def test_an_upload_that_stalls_is_given_up(strict):
    host, port = strict.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        token = b"Authorization: Bearer open-sesame\r\n"
        line.sendall(b"POST /jobs HTTP/1.1\r\nHost: x\r\n" + token + b"Content-Length: 1000\r\n\r\nabc")
        answer = line.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert not strict.leftovers()


@pytest.mark.slow
def test_sigterm_stops_the_running_job_and_leaves_nothing(tmp_path, long_clip):
    with serving(tmp_path / "work") as service:
        place = service.accepted(long_clip)
        until(lambda: service.client.get(place).json()["done"])
        (worker,) = service.workers()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
    assert gone(worker) and not list(service.folder.iterdir())


@pytest.mark.slow
def test_the_worker_ends_when_the_server_is_killed(tmp_path):
    with pytest.raises(AssertionError, match="-9"), serving(tmp_path / "work") as service:
        (worker,) = service.workers()
        service.process.kill()
    until(lambda: gone(worker))
    (left,) = service.folder.iterdir()
    with working_folder(service.folder):
        assert not left.exists()
