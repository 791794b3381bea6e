"""Run an exported network: `python tools/inference.py --help`. Runs from any folder, without installing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppvsr.cli.export import inference_main

if __name__ == "__main__":
    sys.exit(inference_main())
