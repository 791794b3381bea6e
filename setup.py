"""What ppvsr is and what it needs. Paddle is an extra, because its wheels for CPU and GPU exclude each other."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    """Return the requirement lines of a file, without comments."""
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


setup(
    name="ppvsr",
    version=re.search(r'__version__ = "(.+)"', (ROOT / "ppvsr/__init__.py").read_text(encoding="utf-8"))[1],
    description="Video super-resolution on PaddlePaddle: PP-MSVSR, BasicVSR, IconVSR, BasicVSR++",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.10",
    packages=find_packages(include=["ppvsr", "ppvsr.*"]),
    package_data={"ppvsr": ["py.typed", "weights/bundled/*.safetensors", "ops/native/*.cc", "ops/native/*.h"]},
    install_requires=requirements("requirements.txt"),
    extras_require={
        "cpu": ["paddlepaddle>=3.0"],
        "gpu": ["paddlepaddle-gpu>=3.0"],  # only on Paddle's own package index, see the README
        "train": ["tensorboardX>=2.6", "matplotlib>=3.7"],
        "serve": ["fastapi>=0.115", "uvicorn>=0.30"],  # deploy/serve.py
        # paddle2onnx to the digit: ppvsr/export/onnx.py mends that one. There is none for Python 3.13.
        "onnx": [
            'paddle2onnx==2.1.0; python_version < "3.13"',
            'onnx>=1.16.1,<=1.17.0; python_version < "3.13"',
            "onnxruntime>=1.20",
        ],
        "dev": requirements("requirements-dev.txt"),
    },
    entry_points={
        "console_scripts": [
            "ppvsr-enhance = ppvsr.cli.enhance:main",
            "ppvsr-train = ppvsr.cli.train:main",
            "ppvsr-evaluate = ppvsr.cli.evaluate:main",
            "ppvsr-doctor = ppvsr.cli.machine:doctor_main",
            "ppvsr-bench = ppvsr.cli.machine:bench_main",
            "ppvsr-export = ppvsr.cli.export:export_main",
            "ppvsr-inference = ppvsr.cli.export:inference_main",
        ]
    },
)
