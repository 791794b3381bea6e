"""What was compiled on this machine and is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ppvsr.assemble.doctor_finding import OK, WARNING, Finding
from ppvsr.enhance.memory import format_size
from ppvsr.runtime.places import KINDS, cache_folder
from ppvsr.runtime.upkeep import DAY, inventory

LARGE = 500 * 2**20
FORGOTTEN = 30  # days
WHAT = {"programs": "compiled networks", "native": "compiled operators"}


def compiled_things() -> Iterator[Finding]:
    """Yield a finding for each folder of the cache."""
    try:
        everything = inventory()
    except OSError as error:
        yield Finding("cache", WARNING, str(error))
        return
    for kind in KINDS:
        kept = [each for each in everything if each.kind == kind]
        size = sum(each.size for each in kept)
        old = sum(each.used < time.time() - FORGOTTEN * DAY for each in kept)
        left = sum(not each.finished for each in kept)
        text = f"{sum(each.finished for each in kept)} in {cache_folder(kind)}, {format_size(size)}"
        text += f", {old} not used for {FORGOTTEN} days" if old else ""
        text += f", {left} unfinished" if left else ""
        tidy = old or left or size > LARGE
        yield Finding(WHAT[kind], WARNING if size > LARGE else OK, text, "--clean removes those" if tidy else "")
