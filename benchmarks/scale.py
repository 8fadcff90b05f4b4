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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pairs import ROOT
from results import Row, add_quick, save

WORKER = ROOT / "benchmarks" / "workers" / "scale.py"
Figures = dict[str, float]
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


def _time(found: Figures, name: str = "seconds") -> str:
    return f"{found[name]:.1f} s"


def rows_of(name: str, settings: dict[str, int], found: Figures) -> list[Row]:
    """Return the rows of a measurement."""

    def row(what: str, key: str, unit: str, most: float | None, details: str = "") -> Row:
        number = found[key]
        shown = f"{number:.2f}x" if unit == "x" else f"{number:,.1f} {unit}"
        wanted = "" if most is None else f"{most:,g}{'x' if unit == 'x' else f' {unit}'}"
        met = None if most is None else number <= most
        return Row(what, shown, "", wanted, met, details)

    def timed(what: str, most: float | None, details: str = "") -> Row:
        """Return a row of a time, whose goal the CPU time decides."""
        wanted = "" if most is None else f"{most:g} s"
        met = None if most is None else found["cpu"] <= most
        return Row(what, _time(found), "", wanted, met, details, _time(found, "cpu"))

    if name == "list":
        images = settings["images"]
        what, million = f"list of {images:,} images", images == 1_000_000
        most = 64 if million else 1024 if images == 14_000_000 else None
        found_rows = [
            row(f"{what}: memory of a rank", "memory", "MiB", most, "names and labels"),
            row(f"{what}: highest while reading", "peak", "MiB", None),
            timed(f"{what}: reading", 1.5 if million else None),
        ]
        if images <= 2_000_000:
            details = "each image asked for once, in a forked process"
            private = row(f"{what}: private memory of a worker", "worker", "MiB", 5, details)
            found_rows.insert(2, private)
        return found_rows
    if name in ("list_checks", "shard_index", "shards"):
        return list(_shard_rows(name, settings["images"], found, row, timed))
    if name == "features":
        what = f"features {settings['rows']:,} x {settings['width']} of {settings['ranks']} ranks"
        return [
            row(f"{what}: highest on rank 0", "first", "x", 1.2, "of the whole matrix"),
            row(f"{what}: highest on the others", "other", "x", None, "of the whole matrix"),
        ]
    if name == "whitening":
        what = f"whitening {settings['rows']:,} x {settings['width']}"
        details = "beside features and result; does not depend on their number"
        return [row(f"{what}: memory", "peak", "MiB", 512, details), timed(f"{what}: time", None)]
    if name == "neighbours":
        what = f"k-NN of {settings['queries']} among {settings['rows']:,} x {settings['width']}"
        details = "beside the features; bounded by the similarities of a part"
        return [row(f"{what}: memory", "peak", "MiB", None, details), timed(f"{what}: time", None)]
    if name == "nt_xent":
        what = f"NT-Xent, {settings['ranks']} ranks x {settings['images']} images"
        details = "one rank, forward and backward; the rows of the others made up"
        return [row(f"{what}: memory", "peak", "MiB", 512, details), timed(f"{what}: time", None)]
    if name == "bank":
        what = f"NPID, bank of {settings['images']:,} x {settings['width']}"
        size = 4 * settings["images"] * settings["width"] / 2**20
        details = f"bank: {size:,.0f} MiB; batch {settings['batch']}"
        return [
            row(f"{what}: memory of a step beside it", "peak", "MiB", None, details),
            row(f"{what}: highest while the table is made", "table_peak", "MiB", None),
            row(f"{what}: CPU time of the table", "table_seconds", "s", None),
        ]
    if name == "large_image":
        what = f"device_transforms, {settings['images'] - 1} images of 500x375 and one of 4000x3000"
        details = f"{found['usual']:.1f} MiB without the large one"
        return [
            row(f"{what}: bytes of the batch", "sent", "MiB", None, details),
            row(f"{what}: highest with the crops", "peak", "MiB", None),
        ]
    if name == "resume":
        what = f"resuming after {int(found['skipped']):,} of {settings['images']:,} images"
        details = f"{int(found['decoded'])} images read: those of the first batch"
        return [timed(f"{what}: time to the first batch", 2, details)]
    what = f"resuming from a checkpoint of {found['megabytes']:,.0f} MiB"
    details = "beside model and optimizer, without pages of the mapped file"
    return [
        row(f"{what}: memory", "peak", "MiB", None, details),
        row(f"{what}: read", "read", "x", 1.01, "of the file; for its checksums"),
        timed(f"{what}: time", None),
    ]


def _shard_rows(
    name: str, images: int, found: Figures, row: Callable[..., Row], timed: Callable[..., Row]
) -> Iterator[Row]:
    """Yield the rows of the checks of a list, of an index of shards, and of reading shards."""
    if name == "list_checks":
        what = f"files of a list of {images:,} images"
        yield row(f"{what}: looked up, highest memory", "peak", "MiB", None, "beside the list")
        yield timed(f"{what}: looked up", None, "listed files there, files on no list")
        yield row(f"{what}: list and labels described, highest", "described_peak", "MiB", None)
        return
    if name == "shard_index":
        what = f"index of shards, {images:,} images"
        details = f"beside {found['mapped']:,.0f} MiB of the file, mapped and shared"
        yield row(f"{what}: memory of a rank", "memory", "MiB", 64, details)
        yield timed(f"{what}: reading", 1.5)
        details = "a million images asked for, in a forked process"
        yield row(f"{what}: private memory of a worker", "worker", "MiB", 5, details)
        return
    what = f"{images:,} JPEG files of 600x450, {found['kilobytes']:.0f} kB"
    for key, words in (("", "bytes"), ("_pixels", "decoded")):
        ours, theirs = found[f"shards{key}"], found[f"folder{key}"]
        yield Row(
            f"{what}: {words}, from shards against the folder",
            f"{theirs / ours:.2f}x",
            "",
            "",
            None,
            f"by CPU time: {1e6 / ours:,.0f} against {1e6 / theirs:,.0f} images/s; highest memory "
            f"{found[f'shards{key}_peak']:.1f} against {found[f'folder{key}_peak']:.1f} MiB",
        )
    yield row(f"{what}: CPU time of writing an image to shards", "written", "us", None)


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
