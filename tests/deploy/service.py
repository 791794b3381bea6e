"""A service in a child process, as people start it, and a client for it."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds after which a test gives up; nothing here takes more than a few


class Service:
    """What a test may do with a running service."""

    def __init__(self, process, folder, address):
        self.process, self.folder, self.address = process, folder, address
        self.client = httpx.Client(base_url=address, timeout=PATIENCE)

    def send(self, content, name="clip.mp4", **options):
        return self.client.post("/jobs", params={"name": name}, content=content, **options)

    def accepted(self, content, name="clip.mp4", **options):
        answer = self.send(content, name, **options)
        assert answer.status_code == 202, answer.text
        return answer.headers["location"]

    def wait(self, place, *states, **options):
        """Poll a job until it is in one of the states; return it."""
        return until(lambda: (job := self.client.get(place, **options).json())["state"] in states and job)

    def workers(self):
        """The processes that the service has started."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def leftovers(self):
        """The files that belong to jobs."""
        return [path for path in self.folder.glob("*/*") if path.name != "lock"]


def until(look):
    """Return what `look` returns, as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@contextmanager
def serving(folder, *options, variant="Bicubic"):
    """Start a service on a free port of this machine."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, ROOT / "deploy" / "serve.py", "--port", 0, "--variant", variant, "--folder", folder]
    process = subprocess.Popen(
        [str(each) for each in (*command, *options)], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        address = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())[1]
        service = Service(process, folder, address)
        with service.client:
            until(lambda: service.client.get("/health").json()["worker"])
            yield service
    finally:
        process.stdout.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE)
        assert code == 0, code


def gone(pid):
    """Whether a process is no more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
