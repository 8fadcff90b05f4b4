"""Benchmark of nearest neighbours on the CPU: the k-NN evaluation, and large galleries by faiss.

The features are synthetic: unit vectors around as many centres as there are classes. The k-NN is
that of ``test_knn.py`` without reading and metrics, on a fold of ISIC-2019's size; its faiss rows
search 1,000 queries in a gallery of a million. Only they need faiss.

Example: python benchmarks/neighbours.py --threads 2
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pairs import Worker, in_turn, median
from results import Row, add_quick, add_rounds, add_threads, ratio_row, save

GOAL_S = 3.0


def knn_row(args: argparse.Namespace, train: int, test: int, width: int) -> Row:
    """Return the row of the k-NN evaluation on all features of a fold."""
    wanted = dict(kind="ours", train=train, test=test, width=width, k=200, threads=args.threads)
    worker = Worker("ours", sys.executable, "neighbours.py", wanted, True, args.threads)
    args.versions = worker.info
    found = in_turn([worker], args.rounds)["ours"]
    walls = [answer["wall"] for answer in found]
    wall, cpu = median(found), median(found, "cpu")
    return Row(
        f"k-NN, {train:,} training and {test:,} test features x {width}, k up to 200",
        f"{wall:.2f} s",
        f"{min(walls):.2f} to {max(walls):.2f}",
        f"{GOAL_S:g} s",
        wall <= GOAL_S,
        f"threads: {args.threads}; the wall time decides, CPU time is the sum over the threads",
        f"{cpu:.2f} s",
    )


def gallery_rows(args: argparse.Namespace, train: int, test: int) -> list[Row]:
    """Return the rows of faiss against our exact search."""
    wanted: dict[str, Any] = dict(train=train, test=test, width=128, k=20, threads=args.threads)
    workers = [
        Worker(kind, sys.executable, "neighbours.py", {**wanted, "kind": kind}, True, args.threads)
        for kind in ("ours", "flat", "ivf")
    ]
    args.versions = workers[0].info
    answers = in_turn(workers, args.rounds)
    rows = []
    titles = {"flat": "IndexFlatIP", "ivf": "IndexIVFFlat"}
    for worker in workers[1:]:
        recall = median(answers[worker.name], "recall")
        details = (
            f"{1e3 * median(answers[worker.name], 'cpu') / test:.2f} ms against "
            f"{1e3 * median(answers['ours'], 'cpu') / test:.2f} ms of CPU time a query; recall of "
            f"the 20 nearest {recall:.4f}; index made in {worker.info['made']:.0f} s of CPU time; "
            f"faiss {worker.info['faiss']}"
        )
        what = f"{test:,} queries in {train:,} x 128: ours / faiss {titles[worker.name]}"
        rows.append(ratio_row(what, answers["ours"], answers[worker.name], None, details))
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_rounds(parser, 5)
    add_threads(parser, 2)
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=("knn", "gallery"),
        default=["knn", "gallery"],
        help="Measure these (default: both); the table then holds their rows alone.",
    )
    add_quick(parser)
    args = parser.parse_args()
    fold, gallery = (20_264, 5_067, 2048), (1_000_000, 1_000)
    if args.quick:
        args.rounds, fold, gallery = 2, (400, 20, 64), (20_000, 20)
    rows = [knn_row(args, *fold)] if "knn" in args.parts else []
    rows += gallery_rows(args, *gallery) if "gallery" in args.parts else []
    options = f"--rounds {args.rounds} --threads {args.threads} --parts {' '.join(args.parts)}"
    command = f"python benchmarks/neighbours.py {options}"
    versions = {"torch": args.versions["torch"]}  # that of faiss stands in its rows
    save("neighbours", command, rows, versions, keep=not args.quick)


if __name__ == "__main__":
    main()
