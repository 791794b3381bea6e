"""What an earlier run left of a film: the segments that its ledger vouches for, if they are still whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppvsr.errors import UsageError
from ppvsr.video.disk import measure
from ppvsr.video.ledger import NAME, Entry, Ledger, differences, read_ledger
from ppvsr.video.workplace import tidy


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
