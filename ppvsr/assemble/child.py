"""Modules of ours as processes of their own, which find what this process found, wherever they start."""

from __future__ import annotations

import os
import sys

# The path comes before any other import: Python would look for modules in the folder that the user works in.
CODE = """
import sys
sys.path[:] = sys.argv[2].split(sys.argv[3])
import importlib
importlib.import_module(sys.argv[1]).main(*sys.argv[4:])
"""


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that calls the `main` of a module with these words."""
    paths = [os.path.abspath(each) for each in sys.path if each]
    return [sys.executable, "-c", CODE, module, os.pathsep.join(paths), os.pathsep, *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment, with Paddle kept quiet."""
    return {**os.environ, "GLOG_minloglevel": "3", "PYTHONWARNINGS": "ignore", **more}
