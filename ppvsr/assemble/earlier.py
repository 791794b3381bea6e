"""How the work that an earlier run began was planned: the plan depends on the free memory, and shall stay the same."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ppvsr.assemble.chain import Link, plan_chain
from ppvsr.assemble.order import Order
from ppvsr.assemble.target import Target
from ppvsr.errors import UsageError
from ppvsr.video.frames import VideoInfo
from ppvsr.video.ledger import NAME, read_ledger
from ppvsr.video.names import work_path

PLANNED = ("window", "overlap", "tile", "peak", "streaming", "wanted")


def plan_as_before(
    goal: Target, order: Order, info: VideoInfo, identity: dict[str, Any], *, overwrite: bool
) -> tuple[list[Link], dict[str, Any]]:
    """Return the networks, planned as when the work for `goal` began, and the identity with these plans in it.

    Where there is no such work, or it is another run's, or with `overwrite`, they are planned for the memory of now.
    Raises PpvsrError when that does not suffice, UsageError when what is left of the work is damaged.
    """
    plans = None if overwrite else _plans(goal.path, identity)
    cut = order.cut if plans is None else replace(order.cut, memory=sys.maxsize)  # there was enough then
    links = list(plan_chain(order.stages, info, cut, encoded=goal.encoded))
    if plans is not None:
        links = _replanned(links, plans, work_path(goal.path) / NAME)
    return links, {**identity, "plans": [{name: getattr(link.plan, name) for name in PLANNED} for link in links]}


def _plans(path: Path, identity: dict[str, Any]) -> Any:
    """Return the plans in the ledger of the work for `path`, None when this is not the run that began it."""
    ledger = read_ledger(work_path(path))
    found = dict(ledger.identity) if ledger else {}
    plans = found.pop("plans", None)
    return plans if plans and found == json.loads(json.dumps(identity)) else None


def _replanned(links: list[Link], plans: Any, ledger: Path) -> list[Link]:
    try:
        kept = [{**{name: each[name] for name in PLANNED}, "tile": tuple(each["tile"])} for each in plans]
        return [replace(link, plan=replace(link.plan, **plan)) for link, plan in zip(links, kept, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{ledger}: is damaged and cannot be gone on with; --overwrite starts anew") from error
