"""PaddleGAN's misspelt keys. Nothing else in the project knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "use_local_connnect": "use_local_connect",
    "visiual_interval": "visual_interval",
}


def rename(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node with PaddleGAN's keys spelt our way; the order of the keys stays."""
    return {RENAMED.get(key, key): value for key, value in node.items()}
