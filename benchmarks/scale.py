"""Benchmark of memory and time as the work grows: lists, features, large batches, resuming.

Each measurement runs in a fresh process on synthetic data. ``--project`` measures another version
of the project, such as a checkout of an earlier commit, and only prints its figures.

Example: python benchmarks/scale.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pairs import ROOT
from results import add_quick, save
from scale_rows import Figures, rows_of

WORKER = ROOT / "benchmarks" / "workers" / "scale.py"
#: Name, settings, those of ``--quick``.
MEASUREMENTS: list[tuple[str, dict[str, int], dict[str, int]]] = [
    ("list", {"images": 1_000_000}, {"images": 1000}),
    ("list", {"images": 4_000_000}, {"images": 4000}),
    ("list", {"images": 14_000_000}, {"images": 14_000}),
    ("list_checks", {"images": 1_000_000}, {"images": 1000}),
    ("shard_index", {"images": 1_000_000}, {"images": 1000}),
    ("shard_index", {"images": 4_000_000}, {"images": 4000}),
    ("shard_index", {"images": 16_000_000}, {"images": 16_000}),
    ("shards", {"images": 1000}, {"images": 10}),
    ("shards", {"images": 4000}, {"images": 20}),
    ("shards", {"images": 16_000}, {"images": 40}),
    ("features", {"rows": 20_000, "width": 2048, "ranks": 2}, {"rows": 64, "width": 8, "ranks": 2}),
    ("features", {"rows": 20_000, "width": 2048, "ranks": 4}, {"rows": 64, "width": 8, "ranks": 2}),
    (
        "whitening",
        {"rows": 20_000, "width": 2048, "components": 256},
        {"rows": 64, "width": 8, "components": 4},
    ),
    (
        "whitening",
        {"rows": 60_000, "width": 2048, "components": 256},
        {"rows": 99, "width": 8, "components": 4},
    ),
    (
        "neighbours",
        {"rows": 20_000, "width": 256, "queries": 500},
        {"rows": 1000, "width": 8, "queries": 4},
    ),
    (
        "neighbours",
        {"rows": 80_000, "width": 256, "queries": 500},
        {"rows": 2000, "width": 8, "queries": 4},
    ),
    (
        "neighbours",
        {"rows": 320_000, "width": 256, "queries": 500},
        {"rows": 4000, "width": 8, "queries": 4},
    ),
    ("nt_xent", {"ranks": 16, "images": 256, "width": 128}, {"ranks": 2, "images": 4, "width": 8}),
    ("nt_xent", {"ranks": 64, "images": 256, "width": 128}, {"ranks": 3, "images": 4, "width": 8}),
    (
        "bank",
        {"images": 1_281_167, "width": 128, "batch": 4},
        {"images": 99, "width": 8, "batch": 4},
    ),
    ("large_image", {"images": 64}, {"images": 2}),
    ("resume", {"images": 1_281_167}, {"images": 1000}),
    ("checkpoint", {"megabytes": 1000}, {"megabytes": 24}),
]


def measure(name: str, settings: dict[str, int], project: Path) -> Figures | None:
    """Return the figures of a measurement in a new process; None without enough memory for it."""
    env = {**os.environ, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(WORKER), name, json.dumps(settings)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    found: Figures | None = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="Take these measurements alone; nothing is saved."
    )
    parser.add_argument(
        "--project",
        type=Path,
        default=ROOT,
        help="Measure the package in this folder; nothing is saved if it is another one.",
    )
    add_quick(parser)
    args = parser.parse_args()
    rows = []
    for name, full, quick in MEASUREMENTS:
        if args.only and name not in args.only:
            continue
        settings = quick if args.quick else full
        found = measure(name, settings, args.project)
        if found is None:
            print(f"{name} {settings}: this machine has too little memory")
            continue
        print(f"{name} {settings}: {json.dumps(found)}", flush=True)
        rows += rows_of(name, settings, found)
    versions = _versions(args.project)
    keep = not (args.quick or args.only) and args.project == ROOT
    save("scale", "python benchmarks/scale.py", rows, versions, keep)


def _versions(project: Path) -> dict[str, str]:
    """Return the versions that matter."""
    code = "import mmselfsup, torch; print(mmselfsup.__version__, torch.__version__)"
    env: dict[str, Any] = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)
    ours, torch = done.stdout.split()[-2:]
    return {"mmselfsup": ours, "torch": torch}


if __name__ == "__main__":
    main()
