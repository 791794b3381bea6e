"""The folder of one run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path

from ppvsr.errors import UsageError
from ppvsr.train.ranks import Ranks
from ppvsr.whole import PART


def make_run_folder(output_dir: Path, stem: str, *, at: datetime, ranks: Ranks | None = None) -> Path:
    """Make `<output_dir>/<stem>-YYYY-MM-DD-HH-MM` and return it, the same one on every rank.

    stem: the config's name without ending.  at: when the run began.  A second run in that minute gets `-2` behind it,
    the next `-3`, and so on, also when both start at the same moment. All ranks must call this; rank 0 makes it.
    Raises UsageError, on every rank, when it cannot be made.
    """
    ranks = ranks or Ranks()
    made = _make(output_dir, f"{stem}-{at:%Y-%m-%d-%H-%M}") if ranks.main else None
    made = ranks.share(made)
    if isinstance(made, str):
        raise UsageError(made)
    assert isinstance(made, Path)
    return made


@contextmanager
def claimed(folder: Path, *, ranks: Ranks | None = None) -> Iterator[None]:
    """Keep other processes from training in the same run folder, as a second `--resume auto` would; on rank 0 only.

    Raises UsageError when one is there already. Where locks do not work (Windows, network folders), nobody notices.
    """
    if ranks is not None and not ranks.main:
        yield
        return
    with open(folder / ".lock", "ab") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{folder}: another process is training there; stop it first, or wait for it") from None
        except (ImportError, OSError):
            pass
        for part in folder.glob(f".*{PART}"):  # of a process that was killed
            part.unlink(missing_ok=True)
        yield


def is_run_folder(name: str, stem: str) -> bool:
    """Whether a folder of this name is a run of the config `stem`, and not of one whose name begins alike."""
    return re.fullmatch(re.escape(stem) + r"-\d{4}(-\d\d){4}(-\d+)?", name) is not None


def _make(output_dir: Path, name: str) -> Path | str:
    """Return the folder, or why there is none: what rank 0 raised alone would leave the others waiting."""
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = output_dir / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        return f"output_dir: {output_dir}: cannot be made or written: {error.strerror}; choose another place"
    raise AssertionError("count() ends")
