"""Turn `{name: ..., key: value, ...}` nodes into objects. The constructors' own signatures are the schema."""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Union

from ppvsr.errors import ConfigError

Table = Mapping[str, Callable[..., Any]]


def build(node: Mapping[str, Any], table: Table, where: str, **extra: Any) -> Any:
    """Call the factory that `node["name"]` names in the table, with the node's other keys as keyword arguments.

    where: the node's place in the config, for messages.  extra: arguments that do not come from the config.
    Raises ConfigError with every problem found, one a line, before anything is called.
    """
    factory, options = resolve(node, table, where)
    problems = list(check(factory, {**options, **extra}, where))
    if problems:
        raise ConfigError("\n".join(problems))
    return factory(**options, **extra)


def resolve(node: Mapping[str, Any], table: Table, where: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the factory that a node names, and the options it is to be called with."""
    if not isinstance(node, Mapping) or "name" not in node:
        raise ConfigError(f"{where}: expected a mapping with a `name`, got {node!r}")
    name = node["name"]
    if name not in table:
        raise ConfigError(f"{where}.name: unknown {name!r}{hint(name, table)}")
    return table[name], {key: value for key, value in node.items() if key != "name"}


def check(factory: Callable[..., Any], options: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield what is wrong with calling `factory(**options)`: unknown, ill-typed and missing options."""
    parameters = inspect.signature(factory).parameters.values()
    named = {each.name: each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)}
    open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters)
    kinds = _annotations(factory)
    for key, value in options.items():
        if key not in named and not open_ended:
            yield f"{where}.{key}: {factory.__name__} has no such option{hint(key, named)}"
        elif not fits(value, kinds.get(key, Any)):
            yield f"{where}.{key}: expected {_show(kinds[key])}, got {value!r}"
    for key, parameter in named.items():
        if parameter.default is parameter.empty and key not in options:
            yield f"{where}: {factory.__name__} needs `{key}`"


def fits(value: Any, kind: Any) -> bool:
    """Whether a value as YAML gives it may go where the annotation says `kind`; kinds unknown to YAML accept all."""
    if kind is Any:
        return True
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in arguments)
    if origin is Literal:
        return value in arguments
    if origin is not None:
        if not (isinstance(origin, type) and issubclass(origin, Sequence)):
            return True
        return isinstance(value, (list, tuple)) and all(fits(each, arguments[0]) for each in value)
    if kind in (int, float):
        return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) if isinstance(kind, type) else True


def hint(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for a close word, else the known ones."""
    words = [str(each) for each in known]
    close = difflib.get_close_matches(str(word), words, n=1)
    return f"; did you mean {close[0]!r}?" if close else f" (known: {', '.join(sorted(words))})"


def _annotations(factory: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except NameError:  # names imported only for type checkers, as in Paddle: the keys are checked, the values not
        return {}


def _show(kind: Any) -> str:
    if kind is type(None):
        return "None"
    if typing.get_origin(kind) in (Union, types.UnionType):
        return " | ".join(_show(each) for each in typing.get_args(kind))
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind).replace("typing.", "")
