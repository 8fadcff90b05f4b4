"""Benchmark of a step of each method on the CPU: ours by its small config, and a plain loop.

ResNet-18 at 64 px, bfloat16, channels_last on both sides. MoCo v1 is MoCo v2 with another neck, and
a plain loop of ODC would need its memory of labels, which takes more than a few lines: both are
left out. The table calls the plain loop "by hand".

Example: python benchmarks/methods.py --images 64 --threads 2
"""

from __future__ import annotations

import argparse
import sys

from pairs import ROOT, Worker, in_turn, median
from results import Row, add_quick, ratio_row, save

METHODS = {
    "rotation_pred": "rotation prediction",
    "relative_loc": "relative location",
    "deepcluster": "DeepCluster",
    "npid": "NPID",
    "mocov2": "MoCo v2",
    "densecl": "DenseCL",
    "byol": "BYOL",
    "simsiam": "SimSiam",
    "swav": "SwAV 2 + 6",
}


def measure(method: str, args: argparse.Namespace) -> tuple[Row, str]:
    """Return the row of one method, and the version of torch."""
    (config,) = (ROOT / "configs" / "selfsup" / method).glob("*_resnet18_*_isic2019-64.py")
    wanted = dict(
        method=method, images=args.images, size=args.size, threads=args.threads, config=str(config)
    )
    workers = [
        Worker(kind, sys.executable, "methods.py", {**wanted, "kind": kind}, True, args.threads)
        for kind in ("by hand", "ours")
    ]
    answers = in_turn(workers, args.rounds)
    seconds = {name: median(values) for name, values in answers.items()}
    row = ratio_row(
        f"{METHODS[method]}: by hand / ours",
        answers["by hand"],
        answers["ours"],
        0.95,
        f"{1000 * seconds['ours']:.0f} ms against {1000 * seconds['by hand']:.0f} ms",
    )
    return row, f"on torch {workers[0].info['torch']}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=int, default=64, help="Use this number of images, two views each."
    )
    parser.add_argument(
        "--size", type=int, default=64, help="Use images of this size (default: %(default)s)."
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=7,
        help="Measure this number of rounds (default: %(default)s).",
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="Use this number of threads (default: %(default)s)."
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        default=list(METHODS),
        choices=METHODS,
        help="Measure these methods (default: all).",
    )
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.images, args.size, args.rounds = 8, 32, 2
    measured = [measure(method, args) for method in args.methods]
    options = f"--images {args.images} --size {args.size} --rounds {args.rounds}"
    command = f"python benchmarks/methods.py {options} --threads {args.threads}"
    rows, versions = [row for row, _ in measured], {"both": measured[0][1]}
    save("methods", command, rows, versions, keep=not args.quick)


if __name__ == "__main__":
    main()
