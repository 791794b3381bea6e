"""A config file, with what it inherits and what the command line changes, as one plain tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ppvsr.config.legacy import rename, simplify
from ppvsr.config.overrides import override
from ppvsr.config.signature import closest
from ppvsr.config.text import dump, read
from ppvsr.errors import ConfigError

__all__ = ["dump", "load"]

BASE = "_base_"
Tree = dict[str, Any]


def load(path: str | Path, overrides: Sequence[str] = ()) -> Tree:
    """Read a YAML config as plain dicts and lists, PaddleGAN's spellings renamed.

    `_base_: other.yaml` at its top, or a list of such names relative to the file, is what the file changes: mappings
    merge at every depth, everything else is replaced, and a mapping whose `name` differs from the base's replaces it
    whole. Of several bases the later ones win. `overrides`: see `ppvsr.config.overrides.override`.
    Raises ConfigError for files that are missing, unreadable, no mappings, or their own base, and for wrong overrides.
    """
    return simplify(override(_inherit(Path(path), (), {}), overrides))


def merge(base: Any, change: Any) -> Any:
    """Return `base` with `change` on top; neither is altered."""
    if not isinstance(base, Mapping) or not isinstance(change, Mapping):
        return change
    if "name" in base and "name" in change and base["name"] != change["name"]:
        return change  # another class: the options of the first mean nothing to it
    return {**base, **{key: merge(base[key], value) if key in base else value for key, value in change.items()}}


def _inherit(path: Path, below: tuple[Path, ...], known: dict[Path, Tree]) -> Tree:
    """Return the tree of a file on top of its bases.

    below: the files that lead here.  known: finished trees, so that none is read twice.
    """
    place = path.resolve()
    if place in below:
        names = [each.name for each in (*below[below.index(place) :], place)]
        raise ConfigError(f"{below[-1]}: {BASE}: a file cannot be its own base: {' -> '.join(names)}")
    if place not in known:
        tree: Tree = {}
        own = _mapping(path, below)
        for name in _bases(own, path):
            tree = merge(tree, _inherit(path.parent / name, (*below, place), known))
        known[place] = merge(tree, {key: value for key, value in own.items() if key != BASE})
    return known[place]


def _mapping(path: Path, below: tuple[Path, ...]) -> Tree:
    if not path.is_file():
        prefix = f"{below[-1]}: {BASE}: " if below else ""
        near = closest(path.name, [each.name for each in path.parent.glob("*.y*ml")]) if path.parent.is_dir() else None
        raise ConfigError(f"{prefix}there is no file {path}" + (f"; did you mean {near!r}?" if near else ""))
    tree = read(path)
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping such as `model: ...` at the top, got {type(tree).__name__}")
    try:
        return rename(tree)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _bases(tree: Tree, path: Path) -> list[str]:
    names = tree.get(BASE, [])
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise ConfigError(f"{path}: {BASE}: expected the name of a file, or a list of them, got {names!r}")
    return names
