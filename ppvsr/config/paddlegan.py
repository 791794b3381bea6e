"""PaddleGAN's habits in YAML files: misspelt keys, and text that stands for something else. Nothing else knows them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ppvsr.errors import ConfigError

RENAMED = {
    "use_local_connnect": "use_local_connect",
    "visiual_interval": "visual_interval",
}
LONGEST_PAIR = 60  # characters; more is no pair of numbers
PAIR = ["image", "image"]  # `keys` of a transform: both clips; PaddleGAN has other pictures, too


def rename(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node with PaddleGAN's keys spelt our way at every depth; the order of the keys stays.

    Raises ConfigError when it, or a node inside, has both spellings of a key.
    """
    renamed: dict[str, Any] = rename_inside(node)
    return renamed


def rename_inside(value: Any, where: str = "") -> Any:
    """`rename` the mappings in any value of a tree, of which `where` is the place."""
    if isinstance(value, list):
        return [rename_inside(each, f"{where}[{i}]") for i, each in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    for theirs, ours in RENAMED.items():
        if theirs in value and ours in value:
            raise ConfigError(f"{_join(where, theirs)}: means the same as `{ours}`, which is there too; keep `{ours}`")
    return {RENAMED.get(key, key): rename_inside(each, _join(where, key)) for key, each in value.items()}


def simplify(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tree with `min_max: (0., 1.)` as a list, and without the `keys: [image, image]` of transforms.

    Raises ConfigError, with all places, when they say anything else.
    """
    problems: list[str] = []
    simple = _without_keys(tree, "", problems)
    if isinstance(tree.get("min_max"), str):
        simple["min_max"] = _pair_of_numbers(tree["min_max"], problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return dict(simple)


def _without_keys(tree: Any, where: str, problems: list[str]) -> Any:
    """Copy a tree; the nodes in lists called `pipeline` lose their `keys`."""
    if isinstance(tree, list):
        nodes = [_without_keys(each, f"{where}[{i}]", problems) for i, each in enumerate(tree)]
        if where.rpartition(".")[2] != "pipeline":
            return nodes
        return [_checked(each, f"{where}[{i}]", problems) for i, each in enumerate(nodes)]
    if isinstance(tree, Mapping):
        return {key: _without_keys(value, _join(where, key), problems) for key, value in tree.items()}
    return tree


def _checked(node: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(node, Mapping) or "keys" not in node:
        return node
    if node["keys"] != PAIR:
        problems.append(f"{where}.keys: transforms always work on both clips, [image, image]; got {node['keys']!r}")
    return {key: value for key, value in node.items() if key != "keys"}


def _pair_of_numbers(text: str, problems: list[str]) -> Any:
    """Read "(0., 1.)", which YAML takes for text."""
    try:
        low, high = ast.literal_eval(text[:LONGEST_PAIR])
        return [float(low), float(high)]
    except (ValueError, TypeError, SyntaxError):
        problems.append(f"min_max: expected two numbers such as [0.0, 1.0], got {text!r}")
        return text


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else str(key)
