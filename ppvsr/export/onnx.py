"""Paddle's program files (.json): names of inputs and outputs, attributes of operators, and what paddle2onnx reads.

A file is a list of operators, each with its kind ("#"), attributes ("A"), operands ("I") and results ("O").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Operator = dict[str, Any]


class Program:
    """A program file in memory."""

    def __init__(self, path: Path) -> None:
        self._tree = json.loads(path.read_text(encoding="utf-8"))
        self.operators: list[Operator] = self._tree["program"]["regions"][0]["blocks"][0]["ops"]

    def save(self, path: Path) -> None:
        """Write the program."""
        path.write_text(json.dumps(self._tree, separators=(",", ":")), encoding="utf-8")

    def of_kind(self, kind: str) -> Iterator[Operator]:
        """Yield the operators of a kind, such as `leaky_relu`, in order."""
        return (each for each in self.operators if each["#"].rpartition(".")[2] == kind)

    def attributes(self, kind: str, name: str) -> list[Any]:
        """Return an attribute of all operators of a kind, in order."""
        return [attribute(each, name)["D"] for each in self.of_kind(kind)]

    def rename(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Give inputs and outputs names. Raises ValueError unless there are as many."""
        for kind, names in (("data", inputs), ("fetch", outputs)):
            for each, name in zip(self.of_kind(kind), names, strict=True):
                attribute(each, "name")["D"] = name

    def simplify(self) -> None:
        """Write what paddle2onnx 2.1 does not know, and aborts at, in what it knows."""
        for each in self.of_kind("shape64"):  # Paddle 3.1's `shape`; only the type of the answer is another
            each["#"] = each["#"].replace("shape64", "shape")
        for each in self.of_kind("full_batch_size_like"):  # `2 / tensor`: one number, made as large as the tensor
            kept = {name: attribute(each, name) for name in ("value", "dtype", "place")}
            shape = {"#": "1.a_intarray", "D": [1]}  # arithmetic repeats it anyhow
            each["A"] = [{"N": name, "AT": value} for name, value in {"shape": shape, **kept}.items()]
            each["I"] = []
            each["#"] = each["#"].replace("full_batch_size_like", "full")
            each["O"][0]["TT"]["D"][1] = [1]


def attribute(operator: Operator, name: str) -> dict[str, Any]:
    """Return the attribute of that name; its value is under "D"."""
    found: dict[str, Any] = next(each["AT"] for each in operator["A"] if each["N"] == name)
    return found
