"""The nets that `export_model` of a config names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ppvsr.config.build import fill, hint
from ppvsr.errors import ConfigError

NETS = ("generator",)  # the networks of a model; all of ours have this one only
PLACE = "export_model"


@dataclass(frozen=True)
class ExportedNet:
    """One entry: which net, and how many inputs it has, which is always one (a clip)."""

    name: str
    inputs_num: Literal[1] = 1

    def __post_init__(self) -> None:
        if self.name not in NETS:
            raise ConfigError(f"name: there is no net {self.name!r}{hint(self.name, NETS)}")


def read_nets(node: Any, problems: list[str]) -> tuple[ExportedNet, ...]:
    """Return the entries; the generator where there are none. Mistakes are added to `problems`."""
    if node is None:
        return tuple(ExportedNet(name) for name in NETS)
    if not isinstance(node, list) or not node:
        problems.append(f"{PLACE}: expected a list such as [{{name: generator}}], got {node!r}")
        return ()
    entries = [_read_net(each, f"{PLACE}[{i}]", problems) for i, each in enumerate(node)]
    return tuple(dict.fromkeys(each for each in entries if each))


def _read_net(node: Any, where: str, problems: list[str]) -> ExportedNet | None:
    before = len(problems)
    net = fill(ExportedNet, node, where, problems)
    problems[before:] = [each.replace(f"{where}: name:", f"{where}.name:") for each in problems[before:]]
    return net
