"""Convert weight files; `python tools/convert_weights.py --help` says how. Runs from any folder, without installing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppvsr.cli.weights import convert_main

if __name__ == "__main__":
    sys.exit(convert_main())
