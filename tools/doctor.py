"""Can ppvsr work on this machine: `python tools/doctor.py --help`. Runs from any folder, without installing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppvsr.cli.machine import doctor_main

if __name__ == "__main__":
    sys.exit(doctor_main())
