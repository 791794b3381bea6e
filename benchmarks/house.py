"""The figures of the house: how many files there are and how long, who imports whom, and what one upscaling opens.

python -m benchmarks.house                  # modules and lines
python -m benchmarks.house --run            # and the files that the demo clip goes through, on both backends
python -m benchmarks.house --root PATH ...  # of another checkout
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
# Counts the files whose functions run, in all threads; what only defines classes and names does not count.
WATCH = """
import inspect, os, sys, threading
from ppvsr.cli.enhance import main
seen = set()
def watch(frame, event, _):
    code = frame.f_code
    if event == "call" and code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<"):
        seen.add(code.co_filename)
threading.setprofile(watch)
sys.setprofile(watch)
code = main(sys.argv[2:])
sys.setprofile(None)
home = os.path.abspath("ppvsr") + os.sep
print(*sorted(path[len(home):] for path in seen if path.startswith(home)), file=open(sys.argv[1], "w"), sep="\\n")
sys.exit(code)
"""


@dataclass(frozen=True)
class Figures:
    """What is counted of a package.

    modules: its files.  lines: of all of them.  median, longest: lines of a file that holds more than a docstring.
    lonely: modules, as `room.name`, that exactly one other module imports, and that one.
    """

    modules: int
    lines: int
    median: float
    longest: int
    lonely: dict[str, str]


def count(package: Path) -> Figures:
    """Count the modules below the folder of a package."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in package.rglob("*.py")}
    long = [number for path, number in lines.items() if path.name != "__init__.py" or number > 1]
    return Figures(len(lines), sum(lines.values()), median(long), max(long), lonely(package))


def lonely(package: Path) -> dict[str, str]:
    """Return the modules that exactly one other module of the package imports, at its top or later."""
    known = {dotted(path, package): path for path in package.rglob("*.py")}
    importers: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for target in imported(path, known):
            if target != name:
                importers[target].add(name)
    cut = len(package.name) + 1
    return {name[cut:]: next(iter(by))[cut:] for name, by in sorted(importers.items()) if len(by) == 1 and by != {""}}


def dotted(path: Path, package: Path) -> str:
    """Return the name by which a file is imported."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of a package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                target = f"{node.module}.{alias.name}"
                if target in known or node.module in known:
                    yield target if target in known else node.module


def touched(root: Path, backend: str) -> list[str]:
    """Return the files of `ppvsr` whose functions run when six frames of the demo clip are enlarged."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--input", "demo/bee_160x90.mp4", "--output", f"{folder}/out", "--frames", "6", "--quiet"]
        command = [sys.executable, "-c", WATCH, f"{folder}/seen", *words, "--backend", backend]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        subprocess.run([*command, "--process_order", "PPMSVSR"], cwd=root, env=environment, check=True)
        return (Path(folder) / "seen").read_text(encoding="utf-8").split()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="of a checkout (this one)")
    parser.add_argument("--run", action="store_true", help="enlarge the demo clip and count the files it goes through")
    parser.add_argument("--json", action="store_true", help="all that was counted, for programs")
    args = parser.parse_args()
    root = args.root.resolve()
    figures = count(root / "ppvsr")
    files = {backend: touched(root, backend) for backend in ("dygraph", "compiled")} if args.run else {}
    if args.json:
        print(json.dumps({**vars(figures), "touched": files}, indent=1))
        return
    print(f"modules                {figures.modules}\nlines                  {figures.lines:,}")
    print(f"lines of a file        median {figures.median:.0f}, most {figures.longest}")
    print(f"with one importer      {len(figures.lonely)}")
    for backend, names in files.items():
        print(f"one upscaling, {backend:8}{len(names)} files")


if __name__ == "__main__":
    main()
