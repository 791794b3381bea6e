"""A config file as one plain tree: YAML text within limits, `-o` overrides, and what the file inherits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ppvsr.config.build import closest
from ppvsr.config.paddlegan import RENAMED, rename, rename_inside, simplify
from ppvsr.errors import ConfigError

# ---- YAML text into plain values and back. Files come from outside: size, nesting and repetition are limited.

MOST_BYTES = 1_000_000
MOST_VALUES = 100_000  # in a file, every repetition of an `&anchor` counted again
MOST_LEVELS = 100  # of mappings and lists in each other
FLOAT, TEXT, MERGE = (f"tag:yaml.org,2002:{name}" for name in ("float", "str", "merge"))
Size = tuple[int, int]  # values, levels
UNFINISHED = (0, 0)
EXPONENT = re.compile(r"[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")


class _Loader(yaml.SafeLoader):
    """YAML as people write it: `2e-4` is a number (YAML 1.1 takes it for text). Gives up early on what is no config."""

    values = 0
    level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.values += 1
        self.level += 1
        _check_limits(self.values, self.level, self.peek_event().start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.level -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, OverflowError):  # the 35th of May; an integer of 5000 digits
            raise yaml.MarkedYAMLError(problem="this value cannot be read", problem_mark=node.start_mark) from None


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line, everything else on lines of its own; no aliases."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, not any(isinstance(v, (dict, list)) for v in sequence))

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _each in (_Loader, _Dumper):  # what the one reads as a number, the other puts in quotes when it is text
    _each.add_implicit_resolver(FLOAT, EXPONENT, list("-+.0123456789"))


def read(path: Path) -> Any:
    """Read a YAML file (UTF-8). Raises ConfigError, with line and column where there are any."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        return parse(data.decode("utf-8-sig"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: this is not UTF-8 text; save the file as UTF-8") from error


def parse(text: str, where: str) -> Any:
    """Read one YAML document: mappings, lists, text, numbers, booleans, None.

    where: what to call the text in messages. Raises ConfigError for wrong syntax, a key that occurs twice or is not
    text, tags that make objects, and more text or values than any config has.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError(f"{where}: larger than {MOST_BYTES // 1_000_000} MB; this is no config")
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        problems: list[str] = []
        _survey(root, {}, problems, where)
        if problems:
            raise ConfigError("\n".join(problems))
        return loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        problem = error.problem or error.context or "this is no YAML"
        if problem.startswith("but "):  # half a sentence
            problem = f"{error.context}, {problem}"
        raise ConfigError(f"{_at(where, error.problem_mark)}: {problem}") from error
    except yaml.YAMLError as error:  # a character that no text has
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from error


def dump(tree: Mapping[str, Any]) -> str:
    """Return the tree as YAML text that `parse` reads as the same tree."""
    return yaml.dump(dict(tree), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _survey(node: yaml.Node, seen: dict[int, Size], problems: list[str], where: str) -> Size:
    """Return how many values a node stands for, and in how many levels; add what is wrong with keys to `problems`.

    seen: the results so far, so that a node is looked at once, however often it is repeated.
    """
    if id(node) in seen:
        if seen[id(node)] == UNFINISHED:
            raise yaml.MarkedYAMLError(problem="an alias that contains itself", problem_mark=node.start_mark)
        return seen[id(node)]
    seen[id(node)] = UNFINISHED
    inner: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        problems += _wrong_keys(node, where)
        inner = [each for pair in node.value for each in pair]
    elif isinstance(node, yaml.SequenceNode):
        inner = node.value
    sizes = [_survey(each, seen, problems, where) for each in inner]
    values, levels = 1 + sum(size[0] for size in sizes), 1 + max((size[1] for size in sizes), default=0)
    _check_limits(values, levels, node.start_mark)
    seen[id(node)] = values, levels
    return values, levels


def _check_limits(values: int, levels: int, mark: Any) -> None:
    if values > MOST_VALUES:
        raise yaml.MarkedYAMLError(problem=f"more than {MOST_VALUES:,} values; this is no config", problem_mark=mark)
    if levels > MOST_LEVELS:
        raise yaml.MarkedYAMLError(problem=f"nested over {MOST_LEVELS} deep; this is no config", problem_mark=mark)


def _wrong_keys(mapping: yaml.MappingNode, where: str) -> list[str]:
    problems, seen = [], set()
    for key, _ in mapping.value:
        if key.tag not in (TEXT, MERGE) or not isinstance(key, yaml.ScalarNode):
            shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "this"
            problems.append(
                f"{_at(where, key.start_mark)}: {shown} is no text, so it cannot be a key; put it in quotes"
            )
        elif key.value in seen:
            problems.append(f"{_at(where, key.start_mark)}: the key {key.value!r} occurs twice in one mapping")
        else:
            seen.add(key.value)
    return problems


def _at(where: str, mark: Any) -> str:
    return f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where


# ---- `-o a.b.0.c=value`: changes to a config from the command line.


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


# ---- A config file, with what it inherits and what the command line changes, as one plain tree.

BASE = "_base_"
Tree = dict[str, Any]


def load(path: str | Path, overrides: Sequence[str] = ()) -> Tree:
    """Read a YAML config as plain dicts and lists, PaddleGAN's spellings renamed.

    `_base_: other.yaml` at its top, or a list of such names relative to the file, is what the file changes: mappings
    merge at every depth, everything else is replaced, and a mapping whose `name` differs from the base's replaces it
    whole. Of several bases the later ones win. `overrides`: see `ppvsr.config.yaml.override`.
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
