"""How long does MATLAB's bicubic take on one core?

    python benchmarks/resize.py [--repeat 30]

Prints milliseconds of processor time, so that other work on the machine counts little: for a picture of REDS and one
of Vimeo-90K, shrunk four times, and for a frame of a small film, enlarged four times; the median and the fastest of the
repetitions. Training makes its LQ pictures with it, and `--process_order Bicubic` its films. The first must stay below
30 ms.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from ppvsr.resize import resize

CASES = {  # name: (height, width), (new height, new width)
    "1280x720 / 4": ((720, 1280), (180, 320)),
    "448x256 / 4": ((256, 448), (64, 112)),
    "320x180 x 4": ((180, 320), (720, 1280)),
}


def main() -> None:
    """Measure the cases, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=30)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # elsewhere: one thread, but any core
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name, (size, new_size) in CASES.items():
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        resize(image, *new_size)  # the weights of a size are computed once
        taken = []
        for _ in range(args.repeat):
            start = time.process_time()
            resize(image, *new_size)
            taken.append(1e3 * (time.process_time() - start))
        print(f"{name}: {np.median(taken):.1f} ms, fastest {min(taken):.1f} ms", flush=True)


if __name__ == "__main__":
    main()
