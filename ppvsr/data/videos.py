"""Which files of a folder a data set uses."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ppvsr.errors import DataError

SHOWN = 8


def chosen_files(folder: Path, suffixes: Collection[str], lists: Mapping[str, str | None], kind: str) -> list[Path]:
    """The files of a folder with one of these endings, sorted, not those in folders inside it.

    lists: the text files with one name a line, with or without ending, that the options `names` (the only ones to use)
    and `skip` (those to leave out) name, or None.  kind: what the files are, for messages, such as "film".
    Raises DataError when there are none, and for names of files that are not there.
    """
    try:
        found = [each for each in sorted(folder.iterdir()) if each.suffix.lower() in suffixes]
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror}; `folder` holds the {kind}s") from error
    known = {each.name: each for each in found if each.is_file() and not each.name.startswith(".")}
    chosen = {option: _listed(path, known, option, kind) for option, path in lists.items() if path}
    files = [
        path
        for name, path in known.items()
        if name in chosen.get("names", known) and name not in chosen.get("skip", ())
    ]
    if not files:
        why = f"`names` and `skip` leave no {kind}" if known else f"holds no {kind}s ({', '.join(sorted(suffixes))})"
        raise DataError(f"{folder}: {why}")
    return files


def refuse(problems: list[str], headline: str) -> None:
    """Raise DataError with the first few problems, if there are any."""
    if problems:
        more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise DataError("\n".join([headline, *problems[:SHOWN], *more]))


def _listed(path: str, known: Collection[str], option: str, kind: str) -> set[str]:
    """The names of the files that a text file lists. Raises DataError that names the unknown ones."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: `{option}` must be a text file with one {kind} a line: {error}") from error
    wanted = [line.strip() for line in lines if line.strip()]
    found = {word: [name for name in known if word in (name, Path(name).stem)] for word in wanted}
    refuse(list(_unknown(found, known)), f"{path}: {kind}s that are not in the folder")
    return {name for names in found.values() for name in names}


def _unknown(found: Mapping[str, list[str]], known: Collection[str]) -> Iterator[str]:
    """A line for every word that stands for no file, with a close name."""
    for word, names in found.items():
        if not names:
            close = difflib.get_close_matches(word, known, n=1)
            yield f"{word!r}" + (f"; did you mean {close[0]!r}?" if close else "")
