"""The folder beside a target in which work goes on: its name, its lock, its ledger, and what an earlier run left."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ppvsr.errors import UsageError
from ppvsr.system.files import measure, remove, write_synced
from ppvsr.video.encoder import MUXERS

# ---- Where results go and what they are called.

# Characters of a name that leave room for more, whatever the script.
LONGEST_NAME = 60
# What file systems take for a name.
MOST_BYTES = 255
WORK = ".ppvsr"


def target_path(source: Path, output: Path, variants: list[str], container: str) -> Path:
    """The result's path.

    output: with the ending of a film it is the result itself; else a folder, in which the result is called after the
    source and the variants of networks that made it: "Get.Smart.1x01_PPMSVSR.mp4".  A folder of pictures (container
    "png") gets no ending.  Raises UsageError when the result would replace its source.
    """
    if output.suffix.lower().removeprefix(".") in MUXERS and container != "png" and not output.is_dir():
        target = output
    else:
        stem = stem_of(source)
        ending = "" if container == "png" else f".{container}"
        target = output / ("_".join([stem, *variants]) + ending)
    check_apart(source, target)
    return target


def check_apart(source: Path, target: Path) -> None:
    """Raise UsageError when a result would replace its source."""
    if source.resolve() == target.resolve() or target.resolve() in source.resolve().parents:
        raise UsageError(f"{target}: input and output are the same; choose another --output")


def stem_of(source: Path) -> str:
    """What to call a result after: the film, the folder of pictures, or the folder a pattern looks into."""
    if source.is_dir():
        return source.resolve().name
    if source.exists() or not set("%*?[") & set(source.name):
        return source.stem
    return source.resolve().parent.name


def partial_path(target: Path) -> Path:
    """A hidden name beside the target for what is not complete yet."""
    return target.with_name(f".{target.name[:LONGEST_NAME]}.{os.getpid()}.part")


def work_path(target: Path) -> Path:
    """The folder in which the work for a target goes on: what is finished of it, to go on with."""
    name = target.name
    if len(os.fsencode(name)) + len(WORK) > MOST_BYTES:
        name = f"{name[:LONGEST_NAME]}.{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"
    return target.with_name(name + WORK)


def check_target(target: Path, container: str, *, make_folder: bool = True) -> None:
    """See that a result can appear at `target`; with `make_folder`, make the folder for it. Raises UsageError."""
    if container == "png":
        if target.exists() and not (
            target.is_dir() and all(each.is_file() and each.suffix == ".png" for each in target.iterdir())
        ):
            raise UsageError(f"{target}: exists and is not a folder of PNG only; choose another --output")
    elif target.is_dir():
        raise UsageError(f"{target}: is a folder, but a film is to be written there; choose another --output")
    folder = target.parent
    try:
        if make_folder:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=next(each for each in (folder, *folder.parents) if each.exists())):
            pass
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}; choose another --output") from error


# ---- What is finished of a film, and what the run was asked for: a JSON file that is always whole.

NAME = "ledger.json"
VERSION = 2
# How much of a difference a line shows.
LISTED, LONGEST = 5, 60


@dataclass(frozen=True)
class Entry:
    """A finished segment: how many frames, how to know its file, and how many frames were mended; see `Frame`."""

    number: int
    frames: int
    size: int
    digest: str
    again: int = 0
    bicubic: int = 0


@dataclass
class Ledger:
    """The identity of a run (JSON values, nested at will) and its finished segments by number."""

    identity: Any
    entries: dict[int, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Ledger:
        """An empty ledger; the identity is kept as JSON would give it back. Raises TypeError for what is not JSON."""
        return cls(json.loads(json.dumps(identity)))

    @property
    def frames(self) -> int:
        """How many frames are finished."""
        return sum(each.frames for each in self.entries.values())

    def with_entry(self, entry: Entry) -> Ledger:
        """The ledger in which this segment is finished, too."""
        return Ledger(self.identity, {**self.entries, entry.number: entry})

    def write(self, folder: Path) -> None:
        """Replace the folder's ledger at once, on the disk. Raises OSError; then the old one is still there."""
        content = {"version": VERSION, "identity": self.identity, "segments": list(map(asdict, self.entries.values()))}
        write_synced(folder / NAME, json.dumps(content, separators=(",", ":")).encode())


def read_ledger(folder: Path) -> Ledger | None:
    """The folder's ledger, None without one. Raises UsageError when it is damaged or of another version."""
    path = folder / NAME
    try:
        content = json.loads(path.read_bytes())
        version = content["version"]
        if version == VERSION:
            entries = [checked(Entry(**each)) for each in content["segments"]]
            return Ledger(dict(content["identity"]), {each.number: each for each in entries})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; choose another --output") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: is damaged and cannot be gone on with; --overwrite starts anew") from error
    raise UsageError(f"{path}: is of version {shown(version)}, not {VERSION}; --overwrite starts anew")


def checked(entry: Entry) -> Entry:
    """The entry, if it can be true; else ValueError."""
    numbers = (entry.number, entry.frames, entry.size, entry.again, entry.bicubic)
    if not all(type(each) is int and each >= 0 for each in numbers) or entry.frames < 1:
        raise ValueError
    if not isinstance(entry.digest, str):
        raise ValueError
    return entry


def differences(new: Any, old: Any) -> str:
    """What differs between two identities, by the path of keys: "--crf 16, was 20; input.size 5, was 4"."""
    found = list(compared(dict(leaves(new)), dict(leaves(old))))
    more = [f"{len(found) - LISTED} more"] if len(found) > LISTED else []
    return "; ".join(found[:LISTED] + more)


def compared(new: dict[str, Any], old: dict[str, Any]) -> Iterator[str]:
    """One piece of text for each key that has another value, is new or is gone."""
    for key in [*new, *(each for each in old if each not in new)]:
        if key not in old:
            yield f"{key} {shown(new[key])}, was not there"
        elif key not in new:
            yield f"{key} is gone, was {shown(old[key])}"
        elif new[key] != old[key] or type(new[key]) is not type(old[key]):
            yield f"{key} {shown(new[key])}, was {shown(old[key])}"


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings with their keys, joined by dots."""
    if isinstance(tree, dict) and (tree or not path):
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree


def shown(value: Any) -> str:
    """A value on one line, shortened in the middle."""
    text = value if isinstance(value, str) and value.isprintable() and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"


# ---- The folder beside a target in which the work for it goes on: made, held by one process, kept tidy.

try:
    import fcntl
except ImportError:  # Windows: nobody is kept out
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
# What we call things in there; a folder that holds anything else and no ledger is somebody else's.
OURS = re.compile(rf"{LOCK}|{re.escape(NAME)}|\d{{6,}}|.*\.part|old")


@contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Make the folder, if need be, and hold it until the block ends.

    Raises UsageError when it cannot be made, is held by another process, or is not for us.
    """
    while True:
        make(folder)
        if fcntl is None:
            yield
            return
        try:
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # whoever held it has just removed the folder
            continue
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written: {error.strerror}; choose another --output") from error
        try:
            hold(handle, folder)
            if still_there(handle, folder / LOCK):  # else whoever held it has just removed it
                yield
                return
        finally:
            os.close(handle)


def make(folder: Path) -> None:
    """Make the folder or see that it is one of ours."""
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError(f"{folder}: is in the way of the folder for the work; move it away")
        folder.mkdir(exist_ok=True)
        strange = [each for each in os.listdir(folder) if not OURS.fullmatch(each)]
        if strange and read_ledger(folder) is None:
            raise UsageError(f"{folder}: holds {strange[0]!r}, which no work of ppvsr left there; move it away")
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; choose another --output") from error


def hold(handle: int, folder: Path) -> None:
    """Lock the file behind `handle`, where file systems can."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"{folder}: another process works there; wait for it or choose another --output") from error
    except OSError:  # some network file systems have no locks
        pass


def still_there(handle: int, path: Path) -> bool:
    """Whether `path` is the file that is open."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def tidy(folder: Path, keep: Collection[str]) -> None:
    """Remove what unfinished work left: everything but the lock and the names to keep."""
    for each in folder.iterdir():
        if each.name != LOCK and each.name not in keep:
            remove(each)


def abandon(folder: Path) -> None:
    """Remove the folder, in an order in which nobody takes what is half removed for a beginning."""
    with suppress(OSError):  # another process may have come in as soon as the lock was gone
        tidy(folder, {NAME})
        (folder / NAME).unlink(missing_ok=True)
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()


# ---- What an earlier run left of a film: the segments that its ledger vouches for, if they are still whole.


def survey(folder: Path, identity: Mapping[str, Any], *, overwrite: bool = False) -> tuple[Ledger, int]:
    """The ledger to go on with, and how many frames it lost: those of damaged segments. Changes nothing.

    Raises UsageError for work of another identity, and for what `read_ledger` refuses; not with `overwrite`.
    """
    wanted = Ledger.of(identity)
    found = None if overwrite else read_ledger(folder)
    if found is None or found.identity != wanted.identity:
        if found is not None and found.entries:
            differ = differences(wanted.identity, found.identity)
            raise UsageError(f"{folder}: was begun with other settings ({differ}); --overwrite starts anew")
        return wanted, 0
    wanted.entries = {each.number: each for each in found.entries.values() if is_whole(folder, each)}
    return wanted, found.frames - wanted.frames


def begin(folder: Path, identity: Mapping[str, Any], overwrite: bool) -> tuple[Ledger, int]:
    """Like `survey`; that ledger is on the disk then, and whatever it does not vouch for is removed."""
    ledger, lost = survey(folder, identity, overwrite=overwrite)
    tidy(folder, {each.name for each in folder.iterdir() if not each.name.endswith(".part")})  # whatever comes next
    if lost or not ledger.entries:
        ledger.write(folder)
    tidy(folder, {NAME, *map(name_of, ledger.entries)})
    return ledger, lost


def bring_back(folder: Path, path: Path) -> None:
    """Give an older result its name again, if a run was killed just when the new one was to take it."""
    old = folder / "old"
    if old.exists() and not path.exists():
        os.replace(old, path)


def is_whole(folder: Path, entry: Entry) -> bool:
    """Whether a segment's file is what was written."""
    try:
        return measure(folder / name_of(entry.number)) == (entry.size, entry.digest)
    except OSError:
        return False


def holds_segments(folder: Path) -> bool:
    """Whether there is work to go on with, or somebody else's."""
    try:
        ledger = read_ledger(folder)
    except UsageError:
        return True
    return ledger is not None and bool(ledger.entries)


def name_of(number: int) -> str:
    """The file, or the folder, of a segment."""
    return f"{number:06d}"
