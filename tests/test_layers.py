"""The rooms of the house, and who may know whom. A new room needs a row here."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ppvsr"

# From the ground up: a room knows rooms above its own row only; what it knows is listed.
MAY_IMPORT = {
    "errors": set(),
    "resize": set(),
    "system": {"errors"},
    "config": {"errors"},
    "ops": {"errors"},
    "archs": {"ops", "errors"},
    "weights": {"archs", "config", "system", "errors"},
    "compile": {"ops", "system", "errors"},
    "video": {"system", "errors"},
    "enhance": {"video", "compile", "weights", "resize", "system", "errors"},
    "data": {"video", "resize", "system", "errors"},
    "evaluate": {"data", "enhance", "video", "weights", "system", "errors"},
    "train": {"evaluate", "data", "weights", "archs", "ops", "config", "system", "errors"},
    "export": {"train", "evaluate", "enhance", "video", "compile", "weights", "ops", "config", "system", "errors"},
    "doctor": {"weights", "system", "errors"},
    "doctor_worker": {"doctor", "enhance", "compile", "weights", "ops", "system", "errors"},
    "bench": {"system", "errors"},
    "bench_worker": {"enhance", "video", "weights", "system", "errors"},
    "cli": {"enhance", "train", "evaluate", "data", "export", "doctor", "bench", "video", "weights", "errors"},
    "__init__": {"enhance", "weights", "errors"},
}
NO_PADDLE = {  # rooms, and files, that never import Paddle at their top
    "__init__",
    "bench",
    "cli",
    "config",
    "data",
    "doctor",
    "errors",
    "evaluate",
    "resize",
    "system",
    "video",
    "weights",
}
BUT = {"system/ranks.py", "data/loader.py"}  # of the rooms above
NEVER_PADDLE = {"__init__", "bench", "cli", "config", "doctor", "errors", "resize", "video"}  # not even late


def nodes(path: Path, *, late: bool = True) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports of a module; late: those in functions, too."""

    def walk(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child
            elif late or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from walk(child)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")))


def imports(path: Path, *, late: bool = True) -> Iterator[str]:
    """Yield the dotted names that a module imports, relative ones resolved."""
    package = path.relative_to(ROOT).parent.parts
    for node in nodes(path, late=late):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield from (".".join(filter(None, [*base, node.module, alias.name])) for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def graph() -> dict[str, set[str]]:
    """Return which module imports which, late imports and those for annotations included."""
    known = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        targets = {target if target in known else target.rpartition(".")[0] for target in imports(path)}
        found[name] = (targets & known.keys()) - {name}
    return found


def reached(start: str) -> set[str]:
    """Return all modules that a module can bring in."""
    edges, seen, todo = graph(), set(), [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += edges[name]
    return seen


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    room = room_of(path)
    assert room in MAY_IMPORT, f"{path}: `{room}` is a room that tests/test_layers.py does not know"
    used = {name.split(".")[1] for name in imports(path) if name.startswith("ppvsr.")} - {room, "__version__"}
    assert used <= MAY_IMPORT[room], f"{path}: `{room}` must not import {sorted(used - MAY_IMPORT[room])}"
    if room in NO_PADDLE and str(path.relative_to(PACKAGE)) not in BUT:
        early = room not in NEVER_PADDLE
        found = [name for name in imports(path, late=not early) if name.split(".")[0] == "paddle"]
        found = [] if early and in_type_block(path) else found
        assert not found, f"{path}: no paddle in `{room}`"


def in_type_block(path: Path) -> bool:
    """Whether Paddle is imported for annotations only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return not any("paddle" in ast.unparse(node).split()[1].split(".")[0] for node in plain)


def test_the_table_has_no_circle():
    rooms = list(MAY_IMPORT)
    for place, (room, known) in enumerate(MAY_IMPORT.items()):
        assert known <= set(rooms[:place]), f"{room} knows a room that is not above it in the table"


def test_no_two_modules_import_each_other():
    """Neither across rooms nor inside one, neither late nor for annotations."""
    try:
        list(TopologicalSorter(graph()).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_upscaling_needs_nothing_of_training():
    rooms = {name.split(".")[1] for name in reached("ppvsr.cli.enhance")}
    assert "enhance" in rooms and not rooms & {"train", "data", "evaluate", "export"}


def brought_in(*modules: str) -> set[str]:
    """Return the modules of ours that a process has which imports these."""
    code = f"import sys, {', '.join(modules)}; print(*[name for name in sys.modules if name.startswith('ppvsr.')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_an_upscaling_brings_in_nothing_of_training():
    found = brought_in("ppvsr.enhance.batch", "ppvsr.enhance.video", "ppvsr.enhance.engine", "ppvsr.compile.backend")
    assert not [name for name in found if name.split(".")[1] in {"train", "data", "evaluate", "export"}]


def test_a_training_brings_in_nothing_of_upscaling():
    """It reads videos; the engine comes with a validation that enlarges."""
    rooms = "train", "data"
    files = [path for room in rooms for path in sorted((PACKAGE / room).glob("*.py")) if path.stem != "__init__"]
    found = brought_in(*(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files))
    writing = {f"ppvsr.video.{name}" for name in ("encoder", "muxer", "output", "segments", "workdir")}
    assert not [name for name in found if name.startswith("ppvsr.enhance.") or name in writing]


@pytest.mark.parametrize(
    "text",
    [
        "import ppvsr.train.loop",
        "from ppvsr import export",
        "from ..enhance import engine",
        "from ..enhance.engine import Enhancer",
    ],
)
def test_every_spelling_of_an_import_is_seen(text, tmp_path, monkeypatch):
    path = tmp_path / "ppvsr" / "video" / "planted.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path / "ppvsr")
    with pytest.raises(AssertionError, match="must not import"):
        test_imports_point_downwards(path)
