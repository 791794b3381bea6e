"""PaddleGAN's path to the same command as applications/video-enhance.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ppvsr.cli.enhance import main

if __name__ == "__main__":
    sys.exit(main())
