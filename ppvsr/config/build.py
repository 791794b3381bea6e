"""Turn `{name: ..., key: value, ...}` nodes into objects. The constructors' own signatures are the schema.

`build` does it at once. `plan` checks a tree of nodes and calls nothing; the `Call` that it returns does, later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ppvsr.config.signature import accepts, check, expects_list, fits, hint, kinds_of
from ppvsr.errors import ConfigError

__all__ = ["Call", "Table", "build", "check", "fill", "hint", "plan", "refuse", "resolve"]

Table = Mapping[str, Callable[..., Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A checked node: what will be called, and with what. Options may hold Calls, or lists of them.

    where: the node's place in the config, for messages.
    """

    factory: Callable[..., Any]
    options: Mapping[str, Any]
    where: str = ""

    def __call__(self, **extra: Any) -> Any:
        """Build the inner nodes, then this one; `extra` arguments win over the config's.

        Raises ConfigError, with the place, when a constructor refuses its options (a ValueError).
        """
        options = {key: _made(value) for key, value in self.options.items()}
        try:
            return self.factory(**{**options, **extra})
        except ValueError as error:  # our own errors for wrong options are ValueErrors, too
            raise ConfigError(placed(self.where, error)) from error

    def takes(self, option: str) -> bool:
        """Whether the factory has an option of that name."""
        return accepts(self.factory, option)


def build(node: Mapping[str, Any], table: Table, where: str, **extra: Any) -> Any:
    """Call the factory that `node["name"]` names in the table, with the node's other keys as keyword arguments.

    where: the node's place in the config, for messages.  extra: arguments that do not come from the config.
    Raises ConfigError with every problem found, one a line, before anything is called.
    """
    factory, options = resolve(node, table, where)
    refuse(list(check(factory, {**options, **extra}, where)))
    return factory(**options, **extra)


def plan(
    node: Any,
    table: Table,
    where: str,
    nested: Mapping[str, Table],
    problems: list[str],
    given: Collection[str] = (),
) -> Call | None:
    """Check a node and all nodes inside it; return what builds it, or None with every mistake added to `problems`.

    nested: the keys that hold a node, or a list of nodes, and the table of each; they are looked for at every depth.
    given: arguments that `Call` will get later, so the node need not have them. Nothing is called.
    """
    before = len(problems)
    factory, options = _find(node, table, where, problems)
    kinds = kinds_of(factory) if factory else {}
    inner = {key: options[key] for key in options if key in nested}
    made = {
        key: _plan_inner(value, nested[key], f"{where}.{key}", nested, problems, kinds.get(key, Any))
        for key, value in inner.items()
    }
    if factory:
        problems += check(factory, options, where, given=given, judged=inner)
    if factory is None or len(problems) > before:
        return None
    return Call(factory, {**options, **made}, where)


def fill(kind: Callable[..., T], node: Any, where: str, problems: list[str], given: Collection[str] = ()) -> T | None:
    """Make a dataclass of options of a mapping without `name`; None, with the mistakes in `problems`, if it cannot be.

    A key that is there and empty (`log_config:`) means a mapping without keys.
    """
    options = {} if node is None else node
    if not isinstance(options, Mapping):
        problems.append(f"{where}: expected a mapping, got {node!r}")
        return None
    found = list(check(kind, options, where, given=given))
    problems += found
    if found:
        return None
    try:
        return kind(**options)
    except ValueError as error:
        problems.append(placed(where, error))
        return None


def resolve(node: Mapping[str, Any], table: Table, where: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the factory that a node names, and the options it is to be called with."""
    if not isinstance(node, Mapping) or "name" not in node:
        raise ConfigError(f"{where}: expected a mapping with a `name`, got {node!r}")
    name = node["name"]
    if not isinstance(name, str) or name not in table:
        raise ConfigError(f"{where}.name: unknown {name!r}{hint(name, table)}")
    return table[name], {key: value for key, value in node.items() if key != "name"}


def placed(where: str, error: Exception) -> str:
    """Return the message with its place in front, unless it says that itself."""
    return f"{where}: {error}" if where and not str(error).startswith(where) else str(error)


def refuse(problems: Collection[str]) -> None:
    """Raise ConfigError with the problems, one a line, if there are any."""
    if problems:
        raise ConfigError("\n".join(problems))


def _find(node: Any, table: Table, where: str, problems: list[str]) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
    """`resolve`, but what is wrong goes to `problems`; the options are there to be looked into all the same."""
    try:
        return resolve(node, table, where)
    except ConfigError as error:
        problems.append(str(error))
        return None, dict(node) if isinstance(node, Mapping) else {}


def _plan_inner(
    value: Any, table: Table, where: str, nested: Mapping[str, Table], problems: list[str], kind: Any
) -> Any:
    """Plan the node or the list of nodes that an option of the annotation `kind` holds."""
    several = expects_list(kind)  # None: the annotation does not say
    if value is None and fits(None, kind):
        return None
    if isinstance(value, list) and several is not False:
        return [plan(each, table, f"{where}[{i}]", nested, problems) for i, each in enumerate(value)]
    if not isinstance(value, list) and several is not True:
        return plan(value, table, where, nested, problems)
    expected = "a list of mappings with a `name` each" if several else "a mapping with a `name`"
    problems.append(f"{where}: expected {expected}, got {value!r}")
    return None


def _made(value: Any) -> Any:
    if isinstance(value, list):
        return [_made(each) for each in value]
    return value() if isinstance(value, Call) else value
