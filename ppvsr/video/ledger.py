"""What is finished of a film, and what the run was asked for: a JSON file that is always whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ppvsr.errors import UsageError
from ppvsr.video.disk import write_synced

NAME = "ledger.json"
VERSION = 2
# How much of a difference a line shows.
LISTED, LONGEST = 5, 60


@dataclass(frozen=True)
class Entry:
    """A finished segment: how many frames, and how to know its file."""

    number: int
    frames: int
    size: int
    digest: str


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
    numbers = (entry.number, entry.frames, entry.size)
    if not all(type(each) is int for each in numbers) or entry.number < 0 or entry.frames < 1:
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
