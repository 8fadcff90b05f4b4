"""On one GPU: SimCLR in training by the runner, from the cache, against a loop written by hand.

The loop by hand is compiled, in bfloat16 and channels_last, on images that lie on the GPU already.
Where there is no GPU this script says so and leaves the row open.

Example: python benchmarks/gpu.py --images data/isic2019/images
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from pairs import Worker, in_turn, median
from results import Row, ratio_row, save


def measure(args: argparse.Namespace, depth: int, size: int, images: int) -> list[Row]:
    """Rows for one backbone and size."""
    wanted = dict(
        depth=depth, size=size, images=images, iters=args.iters, epochs=args.rounds,
        workers=args.workers, folder=str(args.images.resolve()),
    )  # fmt: skip
    workers = [
        Worker(kind, sys.executable, "gpu.py", {**wanted, "kind": kind}, True)
        for kind in ("by hand", "ours")
    ]
    answers = in_turn(workers, args.rounds)
    skipped = {name: values[1:] for name, values in answers.items()}  # the first one compiles
    what = f"ResNet-{depth}, {size} px, batch {images}"
    views = 2 * images * args.iters / median(skipped["ours"])
    waiting = median(skipped["ours"], "waiting")
    memory = [median(skipped[kind], "memory") for kind in ("ours", "by hand")]
    pair = skipped["by hand"], skipped["ours"]
    rows = [
        ratio_row(f"{what}: by hand / ours", *pair, 0.95, f"{views:.0f} views/s", with_cpu=False),
        Row(f"{what}: waiting for data", f"{waiting:.1%}", "", "below 2 %", waiting < 0.02),
        Row(
            f"{what}: GPU memory, ours / by hand",
            f"{memory[0] / memory[1]:.2f}x",
            "",
            "at most 1.1x",
            memory[0] <= 1.1 * memory[1],
            f"{memory[0]:.0f} against {memory[1]:.0f} MiB",
        ),
    ]
    if size == 224:
        minutes = 200 * 2 * 25331 / views / 60
        cells = f"{minutes:.0f} min", "", "below 40 min", minutes < 40
        rows.append(Row("200 epochs of 25,331 images, two views", *cells, "from the views/s above"))
    return rows


def main() -> None:
    """Measure, or say that there is nothing to measure on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=Path("data/isic2019/images"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iters", type=int, default=40)
    parser.add_argument("--workers", type=int, default=14)
    args = parser.parse_args()
    command = f"python benchmarks/gpu.py --rounds {args.rounds} --iters {args.iters}"
    versions = {"torch": str(torch.__version__)}
    if not torch.cuda.is_available():
        save("gpu", command, [Row("all rows of one GPU", "open", "", "", None, "no GPU")], versions)
        return
    rows = measure(args, 50, 224, 256) + measure(args, 18, 64, 1024)
    save("gpu", command, rows, versions)


if __name__ == "__main__":
    main()
