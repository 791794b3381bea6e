"""YAML text into plain values and back. Files come from outside: size, nesting and repetition are limited."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ppvsr.errors import ConfigError

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
