"""Prepare REDS; `python tools/prepare_reds.py --help` says how. Runs from any folder, without installing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppvsr.cli.data import reds_main

if __name__ == "__main__":
    sys.exit(reds_main())
