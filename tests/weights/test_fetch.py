import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ppvsr.errors import WeightsError
from ppvsr.weights import download
from ppvsr.weights.download import fetch
from ppvsr.weights.zoo import Weights

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT under any name; the attributes say what it is like."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges = CONTENT, '"one"', True
        self.cuts = []  # after how many bytes the next answers break off
        self.status = []  # of the next answers
        self.location = None
        self.asked = []  # the `Range` of each request
        self.url = f"http://127.0.0.1:{self.server_port}/models/Basic%2B%2B.pdparams"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if server.status:
            self.send_error(server.status.pop(0))
            return
        if server.location:
            self.send_response(302)
            self.send_header("Location", server.location)
            self.end_headers()
            return
        start = 0
        if wanted and server.ranges and self.headers.get("If-Range") == server.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(server.content) > 0:
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cuts.pop(0)] if server.cuts else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PPVSR_WEIGHTS", raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def row(server, **known):
    return Weights("official", trained_on="x", quality="y", url=server.url, **known)


def left(tmp_path):
    return {name for name in os.listdir(tmp_path / "cache") if not name.endswith(".lock")}


def test_a_download_and_then_the_cache(server, tmp_path, capsys):
    path = fetch(row(server, size=len(CONTENT), sha256=SHA256))
    assert path == tmp_path / "cache/Basic++.pdparams" and path.read_bytes() == CONTENT
    assert fetch(row(server)) == path
    assert server.asked == [None] and left(tmp_path) == {"Basic++.pdparams"}
    assert capsys.readouterr() == ("", "")  # no progress where nobody looks


def test_a_cut_download_goes_on(server):
    server.cuts = [300_000, 200_000]
    assert fetch(row(server, sha256=SHA256[:8])).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_cut_download_goes_on_in_the_next_run(server, tmp_path):
    server.cuts = [100_000] * 3
    with pytest.raises(WeightsError, match="cut after 300,000 of 1,024,000 bytes"):
        fetch(row(server))
    assert left(tmp_path) == {"Basic++.pdparams.part", "Basic++.pdparams.part.etag"}
    server.asked.clear()
    assert fetch(row(server)).read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-"] and left(tmp_path) == {"Basic++.pdparams"}


@pytest.mark.parametrize("change", [{"ranges": False}, {"etag": None}, {"etag": 'W/"one"'}])
def test_servers_that_cannot_go_on(server, change):
    vars(server).update(change)
    server.cuts = [300_000]
    assert fetch(row(server)).read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_starts_again(server):
    server.cuts = [300_000] * 3
    with pytest.raises(WeightsError):
        fetch(row(server))
    server.etag, server.content = '"two"', CONTENT[::-1]
    assert fetch(row(server)).read_bytes() == CONTENT[::-1]


def test_a_complete_part_that_was_not_renamed(server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/Basic++.pdparams.part").write_bytes(CONTENT)
    (tmp_path / "cache/Basic++.pdparams.part.etag").write_text(server.etag)
    assert fetch(row(server)).read_bytes() == CONTENT


@pytest.mark.parametrize("known, message", [
    ({"size": 5}, "1,024,000 bytes instead of 5 of http://127"),
    ({"sha256": "0" * 64}, f"its SHA-256 {SHA256[:16]}... is not 0000000000000000, that of http"),
])  # fmt: skip
def test_another_file_than_the_published_one(server, tmp_path, known, message):
    with pytest.raises(WeightsError, match=message):
        fetch(row(server, **known))
    assert not any(name.endswith((".pdparams", ".part")) for name in left(tmp_path))


def test_answers_that_pass_and_answers_that_stay(server):
    server.status = [503, 500]
    assert fetch(row(server)).read_bytes() == CONTENT
    (server.url, server.status, server.asked) = (server.url.replace("Basic", "Other"), [404], [])
    with pytest.raises(WeightsError, match=r"weights 'official' from http://127.*: Not Found\. Put the file"):
        fetch(row(server))
    assert len(server.asked) == 1


def test_without_network(server, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{closed.getsockname()[1]}/Basic.pdparams"
        with pytest.raises(WeightsError) as caught:
            fetch(row(server))
    message = str(caught.value)
    assert message.startswith(f"cannot download weights 'official' from {server.url}: ") and "\n" not in message
    assert "into a folder named by $PPVSR_WEIGHTS, or give a file by --weights PATH" in message
    assert left(tmp_path) == set()


def test_the_offline_folder_comes_first(server, tmp_path, monkeypatch):
    (tmp_path / "offline").mkdir()
    monkeypatch.setenv("PPVSR_WEIGHTS", str(tmp_path / "offline"))
    assert fetch(row(server)).parent.name == "cache"  # not in the folder
    (tmp_path / "offline/Basic++.pdparams").write_bytes(b"given")
    assert fetch(row(server)).read_bytes() == b"given"
    with pytest.raises(WeightsError, match=r"offline/Basic\+\+.pdparams: its SHA-256"):
        fetch(row(server, sha256=SHA256))


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a"])
def test_only_http(server, url):
    server.url = url
    with pytest.raises(WeightsError, match=f"{url}: weights are fetched by https or http only"):
        fetch(row(server))


def test_redirections_to_elsewhere(server):
    server.location = "file:///etc/hostname"
    with pytest.raises(WeightsError, match=r"cannot download weights .*Found"):
        fetch(row(server))


def test_a_cache_that_cannot_be(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PPVSR_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match=r"cannot keep weights here: .*name another folder by \$PPVSR_CACHE"):
        fetch(row(server))


@pytest.mark.parametrize("locks", [True, False])
def test_two_at_once(server, tmp_path, monkeypatch, locks):
    if not locks:
        monkeypatch.setattr(download, "_lock", lambda file: False)
        monkeypatch.setattr(download.os, "getpid", threading.get_ident)
    results = []
    threads = [threading.Thread(target=lambda: results.append(fetch(row(server)).read_bytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 4 and left(tmp_path) == {"Basic++.pdparams"}
    assert len(server.asked) == 1 or not locks
