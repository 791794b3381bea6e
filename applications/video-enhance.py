"""Make a film four times larger: `python applications/video-enhance.py --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    try:
        from ppvsr.cli.enhance import main

        sys.exit(main())
    except KeyboardInterrupt:  # before the command itself listens
        sys.stderr.write("ppvsr-enhance: interrupted; nothing was begun\n")
        sys.exit(130)
