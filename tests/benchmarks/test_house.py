"""The figures of the house are counted right."""

from pathlib import Path

import pytest

from benchmarks.house import count, touched

ROOT = Path(__file__).parents[2]


def test_modules_lines_and_lonely_modules(tmp_path):
    package = tmp_path / "ppvsr"
    (package / "a").mkdir(parents=True)
    (package / "__init__.py").write_text('"""House."""\n')
    (package / "a/__init__.py").write_text('"""Room."""\n')
    (package / "a/shared.py").write_text("X = 1\n" * 4)
    (package / "a/alone.py").write_text("from ppvsr.a.shared import X\n" + "Y = 2\n" * 9)
    (package / "top.py").write_text("def f():\n    from ppvsr.a import alone, shared\n    return alone, shared\n")
    figures = count(package)
    assert (figures.modules, figures.lines, figures.median, figures.longest) == (5, 19, 4, 10)
    assert figures.lonely == {"a.alone": "top"}


def test_the_house_stays_as_small_as_it_was_built():
    figures = count(ROOT / "ppvsr")
    assert figures.modules <= 120 and figures.lines <= 24_000 and 120 <= figures.median <= 250
    assert figures.longest <= 500, "a file is one topic, of 100 to 450 lines"


@pytest.mark.slow
def test_one_upscaling_is_followed_through_the_files():
    files = touched(ROOT, "dygraph")
    assert {"cli/enhance.py", "enhance/video.py", "archs/msvsr.py", "video/decoder.py"} <= set(files)
    assert not any(file.startswith(("train/", "data/", "evaluate/")) for file in files)
    assert len(files) <= 50
