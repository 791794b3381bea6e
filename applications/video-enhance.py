"""Make a film four times larger: `python applications/video-enhance.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppvsr.cli.enhance import main

if __name__ == "__main__":
    sys.exit(main())
