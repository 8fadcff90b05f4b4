"""What the project adds to the bare work: runner and hooks, gap between epochs, start of a run.

Example: python benchmarks/overheads.py --images data/isic2019/images
    --train-list data/isic2019/splits/ISIC_2019_train_fold0.txt
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from end_to_end import CONFIG
from pairs import ROOT, Worker, in_turn, ratio
from results import Row, save

ITERS = 10  # of an epoch


def loop_rows(args: argparse.Namespace) -> tuple[list[Row], dict[str, str]]:
    """Runner against bare loop, and the gap between epochs."""
    wanted = dict(images=args.batch, size=64, iters=ITERS, epochs=args.rounds, threads=args.threads)

    def worker(kind: str) -> Worker:
        settings = {**wanted, "kind": kind}
        return Worker(kind, sys.executable, "loops.py", settings, True, args.threads)

    workers = [worker("runner"), worker("bare")]
    versions = {"torch": str(workers[0].info["torch"])}
    answers = in_turn(workers, args.rounds)
    found = ratio(answers["runner"][1:], answers["bare"][1:])
    cpu = ratio(answers["runner"][1:], answers["bare"][1:], "cpu")["median"]
    gaps = [answer["gap"] for answer in answers["runner"][1:]]
    rows = [
        Row(
            f"runner, hooks, log / bare loop, ResNet-18, {2 * args.batch} views of 64 px",
            f"{100 * (found['median'] - 1):+.1f} %",
            f"{100 * (found['low'] - 1):+.1f} to {100 * (found['high'] - 1):+.1f} %",
            "below 2 %",
            cpu < 1.02,
            f"{args.rounds - 1} epochs of {ITERS} iterations, in turn",
            f"{100 * (cpu - 1):+.1f} %",
        ),
        Row(
            "gap between epochs",
            f"{statistics.median(gaps):.3f} s",
            f"{min(gaps):.3f} to {max(gaps):.3f}",
            "below 0.2 s",
            statistics.median(gaps) < 0.2,
            "without workers to start, without checkpoint",
        ),
    ]
    return rows, versions


def seconds_of(command: list[str], until: str | None = None) -> float:
    """Wall time of a command, or the time until a line with `until` is printed."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    )
    assert process.stdout is not None
    for line in process.stdout:
        if until is not None and until in line:
            break
    spent = time.perf_counter() - start
    if until is not None:
        process.terminate()
    process.communicate()
    return spent


def start_rows(args: argparse.Namespace) -> list[Row]:
    """`--help`, and command to first iteration."""
    train = [sys.executable, str(ROOT / "tools" / "train.py")]
    bare = [seconds_of([sys.executable, "-c", "import torch"]) for _ in range(args.starts)]
    helps = [seconds_of([*train, "--help"]) for _ in range(args.starts)]
    with tempfile.TemporaryDirectory() as folder:
        options = [
            f"data.train.data_source.data_prefix={args.images.resolve()}",
            f"data.train.data_source.ann_file={args.train_list.resolve()}",
            f"data.train.data_source.cache={{'dir': '{folder}/cache', 'short_side': None}}",
            "log_config.interval=1",
        ]
        command = [*train, str(CONFIG), "--work-dir", f"{folder}/work", "--cfg-options", *options]
        until = "Epoch [1][1/" if args.until is None else args.until
        firsts = [seconds_of(command, until) for _ in range(args.starts + 1)][
            1:
        ]  # writes the cache
    notes = f"a bare `import torch` took {statistics.median(bare):.1f} s here"
    return [
        _start_row("`tools/train.py --help`", helps, 1.0, notes),
        _start_row("command to the end of the first iteration, cache there", firsts, 8.0, notes),
    ]


def _start_row(what: str, seconds: list[float], most: float, details: str) -> Row:
    middle = statistics.median(seconds)
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    return Row(what, f"{middle:.2f} s", spread, f"below {most:g} s", middle < most, details)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--train-list", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--until", help="what the line of the first iteration holds")
    args = parser.parse_args()
    rows, versions = loop_rows(args)
    rows += start_rows(args)
    options = f"--batch {args.batch} --rounds {args.rounds} --threads {args.threads}"
    save("overheads", f"python benchmarks/overheads.py ... {options}", rows, versions)


if __name__ == "__main__":
    main()
