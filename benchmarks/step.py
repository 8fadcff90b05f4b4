"""Benchmark of a step of SimCLR on the CPU: ours, mmselfsup 0.11.0, and a plain loop.

0.11.0 runs in float32, its only precision; its ``.cuda()`` calls are patched out, as it would not
run on a CPU otherwise. The plain loop ("by hand") has our precision and layout, but the default
allocator; ours keeps freed memory, as ``tools/train.py`` does on a CPU.

Example: python benchmarks/step.py --images 16 --threads 2
"""

from __future__ import annotations

import argparse
import sys

from environments import add_arguments, python_of
from pairs import Worker, in_turn, median
from results import Row, add_quick, add_rounds, add_threads, ratio_row, save


def measure(args: argparse.Namespace, peer: str, depth: int, size: int, images: int) -> list[Row]:
    """Return the rows of one backbone and size."""

    def worker(name: str, python: str, kind: str, half: bool, compiled: bool = False) -> Worker:
        wanted = dict(
            kind=kind, depth=depth, size=size, images=images, half=half, threads=args.threads,
            compile=compiled,
        )  # fmt: skip
        return Worker(name, python, "step.py", wanted, kind == "ours", args.threads)

    workers = [
        worker("0.11.0", peer, "0.x", False),
        worker("by hand", sys.executable, "plain", True),
        worker("ours", sys.executable, "ours", True),
    ]
    if args.compile:
        workers.append(worker("by hand, compiled", sys.executable, "plain", True, True))
        workers.append(worker("compiled", sys.executable, "ours", True, True))
    args.versions = {worker.name: f"on torch {worker.info['torch']}" for worker in workers[:3]}
    answers = in_turn(workers, args.rounds)
    seconds = {name: median(values, "cpu") for name, values in answers.items()}
    memory = {name: median(values, "memory") for name, values in answers.items()}
    what = f"ResNet-{depth}, {2 * images} views of {size} px"
    goal = 3.7 if depth == 50 else None
    mib = memory["ours"], memory["by hand"]
    against = f"{seconds['ours']:.2f} s against "
    rows = [
        ratio_row(
            f"{what}: 0.11.0 in float32 / ours in bfloat16",
            answers["0.11.0"],
            answers["ours"],
            goal,
            f"{against}{seconds['0.11.0']:.2f} s of CPU time",
        ),
        ratio_row(
            f"{what}: by hand / ours, both bfloat16",
            answers["by hand"],
            answers["ours"],
            0.95,
            f"{against}{seconds['by hand']:.2f} s",
        ),
        Row(
            f"{what}: peak memory, ours / by hand",
            f"{mib[0] / mib[1]:.2f}x",
            "",
            "at most 1.1x",
            mib[0] <= 1.1 * mib[1],
            f"{mib[0]:.0f} against {mib[1]:.0f} MiB, libraries included",
        ),
    ]
    if args.compile:
        both = answers["by hand, compiled"], answers["compiled"]
        details = f"{seconds['compiled']:.2f} s against {seconds['by hand, compiled']:.2f} s"
        rows.append(ratio_row(f"{what}: by hand / ours, both compiled", *both, 0.95, details))
        both = answers["0.11.0"], answers["compiled"]
        rows.append(ratio_row(f"{what}: 0.11.0 / ours compiled", *both, None))
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=int, default=16, help="Use this batch size, two views each."
    )
    parser.add_argument(
        "--small-images", type=int, default=64, help="Use this batch size for 64 px."
    )
    add_rounds(parser, 5)
    add_threads(parser, 2)
    parser.add_argument("--compile", action="store_true", help="Also measure torch.compile.")
    add_arguments(parser, "mmselfsup")
    add_quick(parser)
    args = parser.parse_args()
    peer = python_of("mmselfsup", args.environments, args.mmselfsup_python)
    if args.quick:
        args.rounds, args.compile = 2, False
        save("step", "", measure(args, peer, 18, 64, 2), args.versions, keep=False)
        return
    rows = measure(args, peer, 50, 224, args.images)
    rows += measure(args, peer, 18, 64, args.small_images)
    options = f"--images {args.images} --small-images {args.small_images} --rounds {args.rounds}"
    more = f" --threads {args.threads}{' --compile' if args.compile else ''}"
    save("step", f"python benchmarks/step.py {options}{more}", rows, args.versions)


if __name__ == "__main__":
    main()
