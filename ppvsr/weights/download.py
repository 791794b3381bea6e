"""A row of the zoo → a file on this machine: bundled, from an offline folder, from the cache, or downloaded."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from ppvsr.errors import WeightsError
from ppvsr.weights.zoo import Weights

OFFLINE, CACHE = "PPVSR_WEIGHTS", "PPVSR_CACHE"  # environment variables
BUNDLED = Path(__file__).parent / "bundled"
TRIES = 3
PAUSE = 1.0  # seconds before the second try, twice that before the third
TIMEOUT = 30.0  # seconds without a byte
CHUNK = 1 << 18  # bytes
TRANSIENT = {408, 416, 429, 500, 502, 503, 504}  # HTTP answers that may be another the next time


def fetch(row: Weights) -> Path:
    """Return the file of `row`, downloaded if it is nowhere yet.

    Looked for: in the package, in the folder $PPVSR_WEIGHTS, in the cache ($PPVSR_CACHE, or ~/.cache/ppvsr/weights).
    Raises WeightsError when it cannot be had, or is not the file that was published.
    """
    if row.url is None:
        return BUNDLED / str(row.file)
    name = unquote(Path(urlsplit(row.url).path).name)
    if folder := os.environ.get(OFFLINE):
        given = Path(folder).expanduser() / name
        if given.is_file():
            _check(given, row, None)
            return given
    cache = Path(os.environ.get(CACHE) or Path.home() / ".cache/ppvsr/weights").expanduser()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return _cached(row, cache / name)
    except OSError as error:
        raise WeightsError(f"{cache}: cannot keep weights here: {error}; name another folder by ${CACHE}") from error


def _cached(row: Weights, path: Path) -> Path:
    if path.is_file():
        return path
    with _alone(path) as part:
        if not path.is_file():  # another process may have been faster
            _download(row, part)
            part.replace(path)
            _tag(part).unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """Wait until no other process downloads `path`, then give the name of its unfinished file.

    Where locks do not work (Windows, some network folders) the name is this process's own, and does not outlive it.
    """
    with open(f"{path}.lock", "ab") as lock:
        locked = _lock(lock)
        part = Path(f"{path}.part" if locked else f"{path}.{os.getpid()}.part")
        try:
            yield part
        finally:
            if not locked:
                part.unlink(missing_ok=True)
                _tag(part).unlink(missing_ok=True)


def _lock(file: BinaryIO) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True


def _download(row: Weights, part: Path) -> None:
    """Bring the whole of `row` into `part`, going on where an earlier download was cut."""
    for attempt in range(TRIES):
        try:
            size = _transfer(row, part)
            break
        except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
            if attempt == TRIES - 1 or (isinstance(error, HTTPError) and error.code not in TRANSIENT):
                raise WeightsError(
                    f"cannot download weights '{row.name}' from {row.url}: {getattr(error, 'reason', '') or error}. "
                    f"Put the file into a folder named by ${OFFLINE}, or give a file by --weights PATH"
                ) from error
            time.sleep(PAUSE * 2**attempt)
    try:
        _check(part, row, size)
    except WeightsError:
        part.unlink()
        raise


def _transfer(row: Weights, part: Path) -> int | None:
    """Make one request for what `part` still lacks; return the size that the server promises, if it does."""
    done, tag = _progress(part)
    headers = {"User-Agent": "ppvsr", **({"Range": f"bytes={done}-", "If-Range": tag} if done else {})}
    with _open(str(row.url), headers, part) as response:
        if response.status == 206 and _starts_at(response) != done:
            part.unlink()
            raise HTTPException(f"the server answered with another part than the one from byte {done}")
        if response.status != 206:
            done = 0
            part.unlink(missing_ok=True)  # before the tag changes: the two always belong together
            _tag(part).write_text(response.headers["ETag"] or "", encoding="utf-8")
        length = response.headers["Content-Length"]
        size = done + int(length) if length else None
        _receive(response, part, done, size)
    if size is not None and part.stat().st_size != size:
        raise HTTPException(f"cut after {part.stat().st_size:,} of {size:,} bytes")
    return size


def _progress(part: Path) -> tuple[int, str]:
    """Return how many bytes are there and the server's tag of them; 0 where going on would be a guess."""
    tag = _tag(part).read_text(encoding="utf-8") if _tag(part).is_file() else ""
    strong = tag.startswith('"')  # a weak tag (W/...) does not promise the same bytes
    return (part.stat().st_size if strong and part.is_file() else 0), tag


def _tag(part: Path) -> Path:
    return Path(f"{part}.etag")


def _open(url: str, headers: dict[str, str], part: Path) -> HTTPResponse:
    _only_http(url)
    try:
        response = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416:  # there is nothing after what we have: start again
            part.unlink(missing_ok=True)
        raise
    _only_http(response.url)  # after redirections
    return response


def _only_http(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise WeightsError(f"{url}: weights are fetched by https or http only")


def _starts_at(response: HTTPResponse) -> int:
    match = re.match(r"bytes (\d+)-", response.headers["Content-Range"] or "")
    return int(match[1]) if match else -1


def _receive(response: HTTPResponse, part: Path, done: int, size: int | None) -> None:
    from tqdm import tqdm

    with (
        part.open("ab") as file,
        tqdm(initial=done, total=size, unit="B", unit_scale=True, desc=part.name, file=sys.stderr, disable=None) as bar,
    ):
        while chunk := response.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))


def _check(path: Path, row: Weights, size: int | None) -> None:
    """Raise WeightsError unless `path` is the published file, as far as that is known."""
    actual = path.stat().st_size
    for wanted in (size, row.size):
        if wanted is not None and actual != wanted:
            raise WeightsError(f"{path}: {actual:,} bytes instead of {wanted:,} of {row.url}; get the file again")
    if row.sha256:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        if not digest.hexdigest().startswith(row.sha256):
            raise WeightsError(
                f"{path}: its SHA-256 {digest.hexdigest()[:16]}... is not {row.sha256[:16]}, that of {row.url}; "
                "it is another file, or was changed on its way"
            )
