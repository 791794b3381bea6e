"""Where things that were compiled on this machine are kept. Needs no Paddle."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = "PPVSR_CACHE"  # environment variable, as for weights
KINDS = ("programs", "native")  # of networks, and of ppvsr's own operators (ppvsr/ops/native_cache.py)


def cache_folder(kind: str) -> Path:
    """Return the folder of all that is of a kind: in $PPVSR_CACHE, else $XDG_CACHE_HOME/ppvsr, else ~/.cache/ppvsr.

    It may not exist yet. Raises OSError where nobody knows the home folder.
    """
    try:
        if given := os.environ.get(CACHE):
            root = Path(given).expanduser()
        else:
            root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "ppvsr"
    except RuntimeError as error:  # a user without a name, in a container
        raise OSError(f"this user has no home folder; name a folder by ${CACHE}") from error
    return root.absolute() / kind
