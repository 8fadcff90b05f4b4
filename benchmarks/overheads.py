"""Benchmark of the overheads: runner and hooks, gap between epochs, start of a run.

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
from pairs import ROOT, Worker, in_turn, median, ratio
from results import Row, add_quick, add_rounds, add_threads, save

ITERS = 10  # per epoch


def loop_rows(args: argparse.Namespace) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of the runner against a bare loop, and of the gap between epochs."""
    wanted = dict(images=args.batch, size=64, iters=ITERS, epochs=args.rounds, threads=args.threads)

    def worker(kind: str) -> Worker:
        settings = {**wanted, "kind": kind}
        return Worker(kind, sys.executable, "loops.py", settings, True, args.threads)

    workers = [worker("runner"), worker("bare")]
    versions = {"torch": str(workers[0].info["torch"])}
    answers = in_turn(workers, args.rounds)
    wall = ratio(answers["runner"][1:], answers["bare"][1:])
    cpu = ratio(answers["runner"][1:], answers["bare"][1:], "cpu")["median"]
    gaps = [answer["gap"] for answer in answers["runner"][1:]]
    rows = [
        Row(
            f"runner, hooks, log / bare loop, ResNet-18, {2 * args.batch} views of 64 px",
            f"{100 * (wall['median'] - 1):+.1f} %",
            f"{100 * (wall['low'] - 1):+.1f} to {100 * (wall['high'] - 1):+.1f} %",
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


def seconds_of(command: list[str], until: str | None = None) -> dict[str, float]:
    """Return wall and CPU time of a command, or until it prints a line with ``until``.

    The benchmark ends if the command fails or never prints the line: the time would be meaningless.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    )
    assert process.stdout is not None
    seen, last = until is None, ""
    for last in process.stdout:
        if until is not None and until in last:
            seen = True
            break
    wall, cpu = time.perf_counter() - start, _cpu_seconds(process.pid)
    if until is not None:
        process.terminate()
    process.communicate()
    if not seen or (until is None and process.returncode):
        missing = "" if seen else f" without a line with {until!r}"
        raise SystemExit(
            f"{' '.join(command)} ended with {process.returncode}{missing}: {last.strip()}"
        )
    return {"wall": wall, "cpu": cpu}


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, running or just ended, without children; Linux only."""
    # The name of the process, in parentheses, may contain spaces: split what follows it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_rows(args: argparse.Namespace) -> list[Row]:
    """Return the rows of ``--help`` and of the time from command to first iteration."""
    train = [sys.executable, str(ROOT / "tools" / "train.py")]
    bare = [seconds_of([sys.executable, "-c", "import torch"]) for _ in range(args.starts)]
    helps = [seconds_of([*train, "--help"]) for _ in range(args.starts)]
    with tempfile.TemporaryDirectory() as folder:
        options = [
            f"data.train.data_source.data_prefix={args.images.resolve()}",
            f"data.train.data_source.ann_file={args.train_list.resolve()}",
            f"data.train.data_source.cache={{'dir': '{folder}/cache', 'short_side': None}}",
            "log_config.interval=1",
            *(["data.samples_per_gpu=8"] if args.quick else []),
        ]
        command = [*train, str(CONFIG), "--work-dir", f"{folder}/work", "--cfg-options", *options]
        until = "Epoch [1][1/" if args.until is None else args.until
        seconds_of(command, until)  # writes the cache
        firsts = [seconds_of(command, until) for _ in range(args.starts)]
    notes = f"a bare `import torch` took {median(bare):.1f} s ({median(bare, 'cpu'):.1f} s of CPU)"
    return [
        _start_row("`tools/train.py --help`", helps, 1.0, notes),
        _start_row("command to the end of the first iteration, cache there", firsts, 8.0, notes),
    ]


def _start_row(what: str, times: list[dict[str, float]], most: float, details: str) -> Row:
    """Return a row of wall times, whose goal the CPU time decides."""
    wall, cpu = [time["wall"] for time in times], median(times, "cpu")
    spread = f"{min(wall):.2f} to {max(wall):.2f}"
    value = f"{statistics.median(wall):.2f} s"
    return Row(what, value, spread, f"below {most:g} s", cpu < most, details, f"{cpu:.2f} s")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=Path, required=True, help="Read the images from this folder."
    )
    parser.add_argument(
        "--train-list", type=Path, required=True, help="Read the training images from this list."
    )
    parser.add_argument(
        "--batch", type=int, default=64, help="Use this batch size (default: %(default)s)."
    )
    add_rounds(parser, 6)
    parser.add_argument(
        "--starts",
        type=int,
        default=3,
        help="Start each command this number of times (default: %(default)s).",
    )
    add_threads(parser, 1)
    parser.add_argument("--until", help="Stop at a line with this text.")
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.batch, args.rounds, args.starts = 2, 2, 1
    rows, versions = loop_rows(args)
    rows += start_rows(args)
    options = f"--batch {args.batch} --rounds {args.rounds} --threads {args.threads}"
    command = f"python benchmarks/overheads.py ... {options}"
    save("overheads", command, rows, versions, keep=not args.quick)


if __name__ == "__main__":
    main()
