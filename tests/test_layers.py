"""The rooms of the house, and who may know whom. A new room needs a row here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ppvsr"

MAY_IMPORT = {
    "__init__": {"errors", "framework", "weights", "assemble"},
    "errors": set(),
    "child": set(),
    "framework": {"errors"},
    "windows": set(),
    "resize": set(),
    "whole": set(),
    "flicker": set(),
    "losses": set(),
    "metrics": set(),
    "schedules": set(),
    "config": {"errors"},
    "ops": {"errors"},
    "video": {"errors"},
    "data": {"errors", "video", "resize", "whole"},
    "archs": {"ops", "errors"},
    "runtime": {"archs", "ops", "child", "errors", "whole"},
    "export": {"ops", "runtime", "framework", "child", "errors"},
    "weights": {"errors", "whole"},
    "train": {"data", "losses", "metrics", "flicker", "weights", "whole", "errors"},
    "enhance": {"video", "windows", "resize", "runtime", "errors"},
    "catalog": {"archs", "data", "losses", "metrics", "schedules", "train"},
    "assemble": {
        "catalog",
        "config",
        "ops",
        "train",
        "data",
        "weights",
        "enhance",
        "video",
        "framework",
        "runtime",
        "export",
        "child",
        "whole",
        "errors",
    },
    "cli": {"assemble", "weights", "enhance", "video", "errors"},
}
NO_PADDLE = {
    "__init__",
    "config",
    "video",
    "errors",
    "child",
    "windows",
    "resize",
    "whole",
    "metrics",
    "flicker",
    "schedules",
    "cli",
}


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, relative ones resolved."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield from (".".join(filter(None, [*base, node.module, alias.name])) for alias in node.names)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path):
    layer = path.relative_to(PACKAGE).with_suffix("").parts[0]
    assert layer in MAY_IMPORT, f"{path}: `{layer}` is a room that tests/test_layers.py does not know"
    used = {name.split(".")[1] for name in imports(path) if name.startswith("ppvsr.")} - {
        layer,
        "__version__",
    }
    assert used <= MAY_IMPORT[layer], f"{path}: `{layer}` must not import {sorted(used - MAY_IMPORT[layer])}"
    if layer in NO_PADDLE:
        assert not any(name.split(".")[0] == "paddle" for name in imports(path)), f"{path}: no paddle in `{layer}`"


@pytest.mark.parametrize(
    "text",
    [
        "import ppvsr.train.loop",
        "from ppvsr import catalog",
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
