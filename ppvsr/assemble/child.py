"""Modules of ours as processes of their own, which find what this process found, wherever they start."""

from __future__ import annotations

import json
import os
import sys

CODE = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[2])
importlib.import_module(sys.argv[1]).main(*sys.argv[3:])
"""


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls the `main` of a module with these words."""
    return [sys.executable, "-c", CODE, module, json.dumps(sys.path), *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment, with Paddle kept quiet."""
    return {**os.environ, "GLOG_minloglevel": "3", "PYTHONWARNINGS": "ignore", **more}
