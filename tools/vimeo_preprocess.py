"""Prepare Vimeo-90K; `python tools/vimeo_preprocess.py --help` says how. Runs from any folder, without installing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppvsr.cli.data import vimeo_main

if __name__ == "__main__":
    sys.exit(vimeo_main())
