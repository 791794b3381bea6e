"""How much faster is a training step with ppvsr's own operators than with Paddle's, on the CPU?

    python -m benchmarks.training [PPMSVSRSmall] [--threads 2] [--rounds 3] [--batch 1] [--frames 5] [--side 64]

Steps of one network (losses, gradients, Adam) take turns: Paddle's operators; Paddle's but for deformable
convolutions, which are ours; all that are ours, which is what training uses. Prints the median times and their ratios
to Paddle's, by the clock and by the processors' own time, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

from ppvsr.weights.zoo import find_variant

WAYS = {
    "Paddle's": {"on": False},
    "own deformable convolutions": {"learning": False},
    "own convolutions, too": {"learning": True},
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", nargs="?", default="PPMSVSRSmall")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--side", type=int, default=64, help="of the low-resolution pictures, in pixels")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # before Paddle reads it
    import paddle

    from ppvsr.ops.deform import use_native
    from ppvsr.weights.networks import create_model

    paddle.set_device("cpu")
    paddle.base.core.set_num_threads(args.threads)
    variant = find_variant(args.variant)
    net = create_model(str(variant.arch), **variant.options)
    adam = paddle.optimizer.Adam(1e-4, parameters=net.parameters())
    shape = [args.batch, args.frames, 3, args.side, args.side]
    lq, gt = paddle.rand(shape), paddle.rand([*shape[:3], *(variant.scale * side for side in shape[3:])])

    def step() -> None:
        sum((picture - gt).abs().mean() for picture in net(lq)).backward()
        adam.step()
        adam.clear_grad()

    took: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(args.rounds + 1):  # the first is not counted
        for way, how in WAYS.items():
            if reason := use_native(net, **how):
                raise SystemExit(reason)
            clock, processor = time.perf_counter(), time.process_time()
            step()
            took[way].append((time.perf_counter() - clock, time.process_time() - processor))
    median = {way: [statistics.median(column) for column in zip(*each[1:], strict=True)] for way, each in took.items()}
    print(f"{variant.name}, {args.batch} x {args.frames} frames of {args.side}x{args.side}, {args.threads} threads")
    print("operators                      seconds  ratio  by processor time")
    theirs = median["Paddle's"]
    for way, (clock, processor) in median.items():
        print(f"{way:30} {clock:7.2f} {theirs[0] / clock:5.1f}x {theirs[1] / processor:5.1f}x")


if __name__ == "__main__":
    main()
