"""A node is checked against the signature it is for, and every problem is found at once."""

from typing import Literal

import pytest

from ppvsr.config.build import build
from ppvsr.config.paddlegan import rename
from ppvsr.errors import ConfigError


class Net:
    def __init__(
        self, *, mid_channels: int = 64, rate: float = 0.1, kind: Literal["a", "b"] = "a", sizes: list[int] = ()
    ):
        self.options = (mid_channels, rate, kind, list(sizes))


class Needy:
    def __init__(self, *, size: int, name_of: str | None = None):
        self.size, self.name_of = size, name_of


TABLE = {"Net": Net, "Needy": Needy}


def test_options_arrive_and_the_node_stays():
    node = {"name": "Net", "mid_channels": 8, "rate": 1, "kind": "b", "sizes": [1, 2]}
    assert build(node, TABLE, "model").options == (8, 1, "b", [1, 2])
    assert node["name"] == "Net"


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"name": "Nett"}, r"model.name: unknown 'Nett'; did you mean 'Net'\?"),
        ({"name": "zzz"}, r"unknown 'zzz' \(known: Needy, Net\)"),
        ({"mid_channels": 3}, "model: expected a mapping with a `name`"),
        ({"name": "Net", "mid_channel": 3}, "model.mid_channel: Net has no such option; did you mean 'mid_channels'"),
        ({"name": "Net", "mid_channels": "3"}, "model.mid_channels: expected int, got '3'"),
        ({"name": "Net", "mid_channels": True}, "model.mid_channels: expected int, got True"),
        ({"name": "Net", "kind": "c"}, r"model.kind: expected Literal\['a', 'b'\], got 'c'"),
        ({"name": "Net", "sizes": [1, "x"]}, r"model.sizes: expected list\[int\]"),
        ({"name": "Needy"}, "model: Needy needs `size`"),
        ({"name": "Needy", "size": 1, "name_of": 2}, r"model.name_of: expected str \| None, got 2"),
    ],
)
def test_problems_name_the_place_and_the_value(node, message):
    with pytest.raises(ConfigError, match=message):
        build(node, TABLE, "model")


def test_all_problems_at_once():
    with pytest.raises(ConfigError) as caught:
        build({"name": "Needy", "sise": 1, "name_of": 2}, TABLE, "model")
    assert len(str(caught.value).splitlines()) == 3


def test_misspelt_keys_of_paddlegan_are_renamed_in_place():
    assert list(rename({"a": 1, "use_local_connnect": True, "b": 2})) == ["a", "use_local_connect", "b"]
