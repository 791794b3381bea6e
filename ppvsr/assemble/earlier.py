"""How the work that an earlier run began was planned: the plan depends on the free memory, and shall stay the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ppvsr.assemble.chain import Link
from ppvsr.errors import UsageError
from ppvsr.video.ledger import NAME, read_ledger
from ppvsr.video.names import work_path

PLANNED = ("window", "overlap", "tile", "peak", "streaming", "wanted")


def as_before(
    path: Path, links: Sequence[Link], identity: dict[str, Any], *, overwrite: bool
) -> tuple[list[Link], dict[str, Any]]:
    """Return the links as they were planned when the work for `path` began, and the identity with these plans in it.

    When there is no such work, or it was another run, the links stay as they are.
    Raises UsageError when what is left of the work is damaged.
    """
    ledger = None if overwrite else read_ledger(work_path(path))
    plans = [{name: getattr(link.plan, name) for name in PLANNED} for link in links]
    if ledger is not None:
        found = dict(ledger.identity)
        earlier = found.pop("plans", None)
        if found == json.loads(json.dumps(identity)) and earlier:
            plans = earlier
    try:
        kept = [{**{name: each[name] for name in PLANNED}, "tile": tuple(each["tile"])} for each in plans]
        changed = [replace(link, plan=replace(link.plan, **plan)) for link, plan in zip(links, kept, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        ledger_path = work_path(path) / NAME
        raise UsageError(f"{ledger_path}: is damaged and cannot be gone on with; --overwrite starts anew") from error
    return changed, {**identity, "plans": plans}
