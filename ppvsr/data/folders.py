"""What is on the disk: lists of clips, folders of pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ppvsr.errors import DataError
from ppvsr.video.images import SUFFIXES, natural

Names = tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """A clip and the names of its pictures, in order."""

    key: str
    lq: Names
    gt: Names


class Folders:
    """Lists folders of pictures. Names repeat from clip to clip: they are sorted and kept once."""

    def __init__(self) -> None:
        self._known: dict[Names, Names] = {}

    def names(self, folder: str) -> Names | None:
        """The names of the pictures in a folder, in natural order; None when there is no such folder."""
        try:
            found = tuple(sorted(os.listdir(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DataError(f"{folder}: cannot be listed: {error.strerror}") from error
        if found not in self._known:
            pictures = [name for name in found if os.path.splitext(name)[1].lower() in SUFFIXES]
            self._known[found] = tuple(sorted(pictures, key=lambda name: natural(Path(name))))
        return self._known[found]


def subfolders(root: Path) -> list[str]:
    """The names of the folders in a folder, sorted; raises DataError."""
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{root}: cannot be listed: {error.strerror}") from error


def annotated(path: Path) -> list[str]:
    """The first word of every line that is not blank, in order: `000/00000000.png (720, 1280, 3)`, `00001/0001 7 (..)`.

    Raises DataError for a file that is missing, empty or no text, and for words that lead out of the data set.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no list of clips but a binary file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; ann_file must be the list of clips") from error
    words = [line.split()[0] for line in lines if line.strip()]
    if not words:
        raise DataError(f"{path}: lists no clips")
    for word in words:
        if word.startswith("/") or ".." in word.split("/") or "\\" in word:
            raise DataError(f"{path}: {word!r} is no name of a clip; lines look like 000/00000000.png or 00001/0001")
    return words


def unique(words: list[str]) -> list[str]:
    """Without duplicates, in the order of first appearance."""
    return list(dict.fromkeys(words))


def unequal(listing: Listing) -> str | None:
    """How the two halves of a clip differ in their pictures, or None. Endings may differ."""
    if listing.lq is listing.gt:
        return None
    if len(listing.lq) != len(listing.gt):
        return f"has {len(listing.lq)} LQ pictures and {len(listing.gt)} GT pictures; both need the same"
    for lq, gt in zip(listing.lq, listing.gt, strict=True):
        if lq != gt and os.path.splitext(lq)[0] != os.path.splitext(gt)[0]:
            return f"holds {lq} in LQ where GT holds {gt}; both need the same names"
    return None
