"""Benchmark of a step of SimCLR and DINO with ViT-S/16 on the CPU: ours, and a plain loop.

bfloat16, channels_last, AdamW and no stochastic depth on both sides; DINO has two views of 224 and
six of 96 pixels. MAE's row is in ``methods.py --transformers``.

Example: python benchmarks/vit_steps.py --images 2 --threads 1
"""

from __future__ import annotations

import argparse
import sys

from pairs import Worker, in_turn, median
from results import Row, add_quick, add_rounds, add_threads, ratio_row, save

METHODS = {"simclr": "SimCLR", "dino": "DINO 2 + 6"}


def measure(method: str, args: argparse.Namespace) -> list[Row]:
    """Return the rows of one method: time and memory."""
    wanted = dict(
        method=method, images=args.images, size=args.size, small=args.size * 3 // 7 // 16 * 16,
        outputs=args.outputs, threads=args.threads,
    )  # fmt: skip
    workers = [
        Worker(kind, sys.executable, "vit_steps.py", {**wanted, "kind": kind}, True, args.threads)
        for kind in ("by hand", "ours")
    ]
    args.versions = {"both": f"on torch {workers[0].info['torch']}"}
    answers = in_turn(workers, args.rounds)
    seconds = {name: median(values, "cpu") for name, values in answers.items()}
    peak = {name: median(values, "memory") for name, values in answers.items()}
    title = f"{METHODS[method]}, ViT-S/16"
    how = f"{seconds['ours']:.2f} s against {seconds['by hand']:.2f} s of CPU time"
    times = peak["ours"] / peak["by hand"]
    more = f"{peak['ours']:.0f} against {peak['by hand']:.0f} MiB, libraries included"
    return [
        ratio_row(f"{title}: by hand / ours", answers["by hand"], answers["ours"], 0.95, how),
        Row(
            f"{title}: peak memory, ours / by hand",
            f"{times:.2f}x",
            "",
            "at most 1.1x",
            times <= 1.1,
            more,
        ),
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4, help="Use this number of images.")
    add_rounds(parser, 5)
    add_threads(parser, 1)
    parser.add_argument(
        "--outputs", type=int, default=4096, help="Outputs K of DINO (default: %(default)s)."
    )
    add_quick(parser)
    args = parser.parse_args()
    args.size = 224
    if args.quick:
        args.images, args.rounds, args.size, args.outputs = 2, 2, 112, 64
    rows = [row for method in METHODS for row in measure(method, args)]
    options = f"--images {args.images} --outputs {args.outputs} --rounds {args.rounds}"
    command = f"python benchmarks/vit_steps.py {options} --threads {args.threads}"
    save("vit_steps", command, rows, args.versions, keep=not args.quick)


if __name__ == "__main__":
    main()
