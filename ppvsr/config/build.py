"""What a constructor's signature says about the options that a config gives it."""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Union


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
