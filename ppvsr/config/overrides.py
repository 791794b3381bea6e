"""`-o a.b.0.c=value`: changes to a config from the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ppvsr.config.legacy import RENAMED, rename_inside
from ppvsr.config.signature import closest
from ppvsr.config.text import parse
from ppvsr.errors import ConfigError


def override(tree: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return the tree with `a.b.0.c=value` assignments applied in turn; the given tree stays as it is.

    The value is read as YAML (`1e-4`, `[1, 2]`, `{name: Adam}`; nothing after `=` means null). The mappings and lists
    on the way must exist. The last key may be new in a mapping, since most options need not be in a file: whether there
    is such an option is found out by the check of the whole config, as for every key of the file.
    Raises ConfigError with all wrong assignments, one a line.
    """
    changed: Any = dict(tree)
    problems = []
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        keys = [RENAMED.get(key, key) for key in path.strip().split(".")]
        try:
            if not equals or not all(keys):
                raise ConfigError(f"-o {assignment}: expected key=value, such as -o model.generator.mid_channels=64")
            changed = _put(changed, keys, rename_inside(parse(text, f"-o {path}")), f"-o {path.strip()}")
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return dict(changed)


def _put(tree: Any, keys: Sequence[str], value: Any, where: str) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(tree, list):
        if not (key.isdecimal() and int(key) < len(tree)):
            raise ConfigError(f"{where}: {key!r} is no place in this list; it has {_places(tree)}")
        return [_put(each, rest, value, where) if i == int(key) else each for i, each in enumerate(tree)]
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{where}: there is nothing inside {tree!r}, so no {key!r}")
    if key not in tree and rest:
        raise ConfigError(f"{where}: there is no {key!r} here{_advice(key, rest, tree)}")
    return {**tree, key: _put(tree.get(key), rest, value, where)}


def _places(items: list[Any]) -> str:
    return f"0 to {len(items) - 1}" if items else "none"


def _advice(key: str, rest: Sequence[str], known: Mapping[str, Any]) -> str:
    close = closest(key, known)
    if close:
        return f"; did you mean {close!r}?"
    new = "{" + f"{rest[-1]}: ..." + "}"
    return f" (known: {', '.join(known) or 'none'}); a new mapping comes as a whole, {key}='{new}'"
