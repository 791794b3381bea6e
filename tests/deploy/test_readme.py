"""The examples of deploy/README.md, as they stand there."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.cli.exports import export_nearest, export_nearest_onnx
from tests.films import make_film, streams

ROOT = Path(__file__).parents[2]
README = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(word):
    """The shell lines of the README in which a word stands."""
    (found,) = [each for each in BLOCKS if word in each]
    return found


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_service_answers_the_lines_of_curl(tmp_path):
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    from tests.deploy.service import serving

    make_film(tmp_path / "clip.mp4", 4, sound=True)
    with serving(tmp_path / "work") as service:
        lines = block("curl").replace("http://127.0.0.1:8000", service.address)
        done = subprocess.run(["bash", "-e", "-c", lines], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not service.leftovers()
    (video, _, width, count), (sound, *_) = streams(tmp_path / "large.mp4")
    assert (video, width, count, sound) == ("video", 192, 4, "audio")


@pytest.fixture
def place(tmp_path):
    """A folder with a film and the examples, like the root of a clone."""
    make_film(tmp_path / "clip.mp4", 12, sound=True)
    (tmp_path / "inference_model").mkdir()
    shutil.copytree(ROOT / "deploy" / "examples", tmp_path / "deploy" / "examples")
    return tmp_path


def run_example(name, place):
    """Run the line of the README in which an example is called, and look at its film."""
    (line,) = [each for each in block(name).splitlines() if name in each]
    python, *arguments = line.split()
    assert python == "python"
    done = subprocess.run([sys.executable, *arguments], cwd=place, capture_output=True, text=True)
    assert done.stdout == "12 frames\n", done.stderr
    (video, _, width, count), sound = streams(place / "large.mp4")
    assert (video, width, count) == ("video", 192, 12) and sound == streams(place / "clip.mp4")[1]
    small, large = frames(place / "clip.mp4"), frames(place / "large.mp4")
    assert [time for time, _ in small] == [time for time, _ in large]
    for (_, before), (_, after) in zip(small, large, strict=True):
        difference = after[2::4, 2::4].astype(int) - before
        assert abs(difference).mean() < 3


def frames(path):
    with av.open(str(path)) as film:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)]


@pytest.mark.slow
def test_a_film_goes_through_paddle_inference(place):
    export_nearest(place / "inference_model" / "PPMSVSRSmall", 5)
    run_example("paddle_inference.py", place)


def test_a_film_goes_through_onnx_runtime(place):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    export_nearest_onnx(place / "inference_model" / "small", 5)
    run_example("onnx_runtime.py", place)


@pytest.mark.parametrize(
    ("file", "packages"),
    [
        ("film.py", {"av", "numpy"}),
        ("paddle_inference.py", {"film", "numpy", "paddle"}),
        ("onnx_runtime.py", {"film", "numpy", "onnxruntime"}),
    ],
)
def test_an_example_needs_nothing_else(file, packages):
    tree = ast.parse((ROOT / "deploy" / "examples" / file).read_text(encoding="utf-8"))
    froms = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    assert (froms | names) - set(sys.stdlib_module_names) == packages
