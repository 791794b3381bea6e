"""Export a network to Paddle Inference or ONNX: `python tools/export_model.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppvsr.cli.export import export_main

if __name__ == "__main__":
    sys.exit(export_main())
