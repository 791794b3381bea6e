"""Encode the same frames with the codecs named on the command line and print a digest of what each one gave.

A program of its own, because what memory holds differs between processes.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from ppvsr.video.encoder import Encoding
from ppvsr.video.open import probe
from ppvsr.video.segments import SegmentWriter
from tests.video.working import moving

film, size, *kinds = sys.argv[1:]
info = probe(film)
for kind in kinds:
    container, codec, pix_fmt = kind.split(",")
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "segment")
            encoding = Encoding(codec=codec, pix_fmt=pix_fmt or None)
            writer = SegmentWriter(path, path, info, container=container, encoding=encoding)
            for frame in moving(24, size=tuple(map(int, size.split("x")))):
                writer.write(frame)
            writer.finish()
            writer.close()
            print(kind, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
