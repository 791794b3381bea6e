"""Turn `{name: ..., key: value, ...}` nodes into objects. The constructors' own signatures are the schema."""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union

from ppvsr.errors import ConfigError

# ---- What a constructor's signature says about the options that a config gives it.


def check(
    factory: Callable[..., Any],
    options: Mapping[str, Any],
    where: str,
    *,
    given: Collection[str] = (),
    judged: Collection[str] = (),
) -> Iterator[str]:
    """Yield what is wrong with calling `factory(**options)`: unknown, ill-typed and missing options.

    The factory may be a class, such as a dataclass of options.  given: arguments that come from elsewhere and so are
    not missing.  judged: options whose values are somebody else's to judge.
    """
    named = _named(factory)
    kinds = kinds_of(factory)
    for key, value in options.items():
        if not accepts(factory, key):
            yield f"{where}.{key}: {factory.__name__} has no such option{hint(key, named)}"
        elif key not in judged and not fits(value, kinds.get(key, Any)):
            yield f"{where}.{key}: expected {_show(kinds[key])}, got {value!r}"
    for key, parameter in named.items():
        if parameter.default is parameter.empty and key not in options and key not in given:
            yield f"{where}: {factory.__name__} needs `{key}`"


def accepts(factory: Callable[..., Any], option: str) -> bool:
    """Whether `factory` can be called with the keyword `option`."""
    parameters = inspect.signature(factory).parameters.values()
    return option in _named(factory) or any(each.kind is each.VAR_KEYWORD for each in parameters)


def kinds_of(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of the factory's arguments, as types; none when they cannot be resolved."""
    try:
        return typing.get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    except NameError:  # names imported only for type checkers, as in Paddle: the keys are checked, the values not
        return {}


def fits(value: Any, kind: Any) -> bool:
    """Whether a value as YAML gives it may go where the annotation says `kind`; kinds unknown to YAML accept all."""
    if kind is Any:
        return True
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in arguments)
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in arguments)  # 1 is not True here
    if _is_sequence(origin):
        return isinstance(value, (list, tuple)) and _all_fit(value, arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if kind in (int, float):
        return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if origin is not None or not isinstance(kind, type) or getattr(kind, "_is_protocol", False):
        return True
    return isinstance(value, kind)


def expects_list(kind: Any) -> bool | None:
    """Whether an annotation asks for several things; None when it does not say."""
    if typing.get_origin(kind) in (Union, types.UnionType):
        answers = {expects_list(each) for each in typing.get_args(kind) if each is not type(None)}
        return answers.pop() if len(answers) == 1 else None
    if kind is Any or isinstance(kind, typing.TypeVar):
        return None
    return _is_sequence(typing.get_origin(kind) or kind) and kind is not str


def hint(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for a close word, else the known ones."""
    words = [str(each) for each in known]
    close = closest(word, words)
    return f"; did you mean {close!r}?" if close else f" (known: {', '.join(sorted(words)) or 'none'})"


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of the known words that is most like `word`, if any is."""
    return next(iter(difflib.get_close_matches(str(word), list(known), n=1)), None)


def _named(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(factory).parameters.values()
    return {each.name: each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)}


def _is_sequence(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Sequence)


def _all_fit(values: Sequence[Any], kinds: tuple[Any, ...]) -> bool:
    """Whether the items fit `list[x]`, `tuple[x, ...]` (one kind for all) or `tuple[x, y]` (one kind each)."""
    if len(kinds) == 1 or kinds[1:] == (...,):
        return all(fits(each, kinds[0]) for each in values)
    return len(values) == len(kinds) and all(fits(each, kind) for each, kind in zip(values, kinds, strict=True))


def _show(kind: Any) -> str:
    if kind is type(None):
        return "None"
    if typing.get_origin(kind) in (Union, types.UnionType):
        return " | ".join(_show(each) for each in typing.get_args(kind))
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind).replace("typing.", "")


# ---- Turn `{name: ..., key: value, ...}` nodes into objects. The constructors' own signatures are the schema.
# `build` does it at once. `plan` checks a tree of nodes and calls nothing; the `Call` that it returns does, later.

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
