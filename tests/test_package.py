"""What is installed is complete: the wheel, unpacked elsewhere, upscales frames without the repository."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import ppvsr
assert ppvsr.__file__.startswith(sys.argv[1]), ppvsr.__file__
frames = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3), dtype=np.uint8)
print([image.shape for image in ppvsr.enhance_frames(frames, backend="dygraph")])
"""


@pytest.mark.slow
def test_the_wheel_upscales_two_frames_from_another_folder(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "ppvsr", source / "ppvsr", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "setup.py",
        "pyproject.toml",
        "requirements.txt",
        "requirements-dev.txt",
        "README.md",
        "LICENSE",
        "NOTICE",
    ):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([*build, str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("ppvsr-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {"ppvsr/py.typed", "ppvsr/weights/bundled/ppmsvsr_small_bi.safetensors"} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if name.startswith("tests")]
        archive.extractall(tmp_path / "elsewhere")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "elsewhere")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "[(80, 96, 3), (80, 96, 3)]", done.stderr
