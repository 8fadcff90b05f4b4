"""Benchmark on one GPU: SimCLR trained by the runner, from the cache, and by a plain loop.

The plain loop ("by hand") is compiled, in bfloat16 and channels_last, with its views on the GPU
from the start. The runner gets its views once from the workers and once from the GPU
(``device_transforms``). Without a GPU this script leaves the row open; ``--quick`` also runs on a
CPU.

Example: python benchmarks/gpu.py --images data/isic2019/images
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from pairs import Worker, in_turn, median
from results import Row, add_quick, add_rounds, ratio_row, save

BY_HAND = "by hand"
#: Ways to make the views, and their names in the table.
OURS = {"workers": "views by the workers", "device": "views on the GPU"}
Answers = dict[str, list[dict[str, float]]]


def measure(args: argparse.Namespace, depth: int, size: int, images: int) -> list[Row]:
    """Return the rows of one backbone and size."""
    wanted = dict(
        depth=depth, size=size, images=images, iters=args.iters, epochs=args.rounds,
        workers=args.workers, folder=str(args.images.resolve()), compile=not args.quick,
    )  # fmt: skip
    workers = [
        Worker(kind, sys.executable, "gpu.py", {**wanted, "kind": kind}, True)
        for kind in (BY_HAND, *OURS)
    ]
    answers = in_turn(workers, args.rounds)
    answers = {kind: values[1:] for kind, values in answers.items()}  # the first one compiles
    what = f"ResNet-{depth}, {size} px, batch {images}"
    return [row for kind in OURS for row in rows_of(f"{what}, {OURS[kind]}", answers, kind, args)]


def rows_of(what: str, answers: Answers, kind: str, args: argparse.Namespace) -> list[Row]:
    """Return the rows of one way to make the views."""
    hand, ours = answers[BY_HAND], answers[kind]
    views = median(ours, "views") / median(ours)
    waiting, idle = median(ours, "waiting"), median(ours, "idle")
    memory = median(ours, "memory"), median(hand, "memory")
    minutes = 200 * 2 * 25331 / views / 60
    rows = [
        ratio_row(f"{what}: by hand / ours", hand, ours, 0.95, with_cpu=False),
        Row(f"{what}: waiting for data", f"{waiting:.1%}", "", "below 2 %", waiting < 0.02),
        Row(f"{what}: GPU idle between steps", f"{idle:.1%}", "", "", None),
        Row(
            f"{what}: GPU memory, ours / by hand",
            f"{memory[0] / memory[1]:.2f}x",
            "",
            "at most 1.1x",
            memory[0] <= 1.1 * memory[1],
            f"{memory[0]:.0f} against {memory[1]:.0f} MiB",
        ),
    ]
    if " 224 px" not in what:
        return [*rows, Row(f"{what}: views/s", f"{views:.0f}", "", "", None)]
    rows.append(Row(f"{what}: views/s", f"{views:.0f}", "", "4500", views >= 4500))
    cells = f"{minutes:.0f} min", "", "below 40 min", minutes < 40
    rows.append(Row(f"{what}: 200 epochs of 25,331 images, two views", *cells, "from the views/s"))
    return rows


def main() -> None:
    """Run the benchmark, or record that it needs a GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images",
        type=Path,
        default=Path("data/isic2019/images"),
        help="Read the images from this folder.",
    )
    add_rounds(parser, 5)
    parser.add_argument(
        "--iters",
        type=int,
        default=40,
        help="Run this number of iterations per epoch (default: %(default)s).",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=14,
        help="Use this number of loader workers (default: %(default)s).",
    )
    add_quick(parser)
    args = parser.parse_args()
    command = f"python benchmarks/gpu.py --rounds {args.rounds} --iters {args.iters}"
    versions = {"torch": str(torch.__version__)}
    if args.quick:
        args.rounds, args.iters, args.workers = 2, 2, 1
        save("gpu", command, measure(args, 18, 32, 4), versions, keep=False)
    elif not torch.cuda.is_available():
        save("gpu", command, [Row("all rows of one GPU", "open", "", "", None, "no GPU")], versions)
    else:
        rows = measure(args, 50, 224, 256) + measure(args, 18, 64, 1024)
        save("gpu", command, rows, versions)


if __name__ == "__main__":
    main()
