"""The weights that ship with ppvsr: there, and the ones that were published."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ppvsr.assemble.doctor_finding import OK, PROBLEM, WARNING, Finding
from ppvsr.weights.fetch import BUNDLED, OFFLINE
from ppvsr.weights.zoo import VARIANTS

ADVICE = "install ppvsr again"


def bundled_weights() -> Iterator[Finding]:
    """Yield a finding for each bundled file, and for a folder of weights that is named but not there."""
    rows = {row.file: row for variant in VARIANTS.values() for row in variant.weights if row.file}
    for name, row in rows.items():
        path = BUNDLED / str(name)
        label = f"weights {row.name}"
        if not path.is_file():
            yield Finding(label, PROBLEM, f"{path} is missing", ADVICE)
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256:
            yield Finding(label, PROBLEM, f"{path} is not the file that was published", ADVICE)
        else:
            yield Finding(label, OK, f"{name}, {path.stat().st_size:,} bytes, intact")
    if (folder := os.environ.get(OFFLINE)) and not Path(folder).expanduser().is_dir():
        yield Finding("offline weights", WARNING, f"${OFFLINE} names {folder}, which is no folder", "correct it")
