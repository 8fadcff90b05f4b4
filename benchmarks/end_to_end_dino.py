"""Benchmark from files to weights on the CPU: DINO, ResNet-18, ours and lightly-train 0.18.0.

It includes decoding, two large and six small views, loader, model, optimizer, teacher and log, but
neither start nor checkpoints. Both train on the same synthetic JPEG files with two loader workers,
batches of 32 and views of 64 and 32 px, an epoch each in turn. With ``--equal`` both are in float32
and NCHW, decode in every epoch, and have the same transforms, projection and optimizer; otherwise
each has its own defaults, ours with the decode cache.

Example: python benchmarks/end_to_end_dino.py --rounds 3 --equal
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from environments import add_arguments, python_of
from pairs import ROOT, Worker, in_turn, median, ratio
from results import Row, add_quick, add_rounds, add_threads, ratio_row, save
from synthetic import write_images

CONFIG = ROOT / "configs/selfsup/dino/dino_resnet18_1xb64-mcrop-2-6-coslr-100e_isic2019-64.py"
EQUAL = "float32 and NCHW, same transforms, no cache"
DEFAULTS = "each with its defaults, ours with the decode cache"


def row_of(answers: dict[str, list[dict[str, float]]], images: int, equal: bool) -> Row:
    """Return the row of the ratio; ``images``: so many in an epoch. The first epoch is left out."""
    measured = {name: values[1:] for name, values in answers.items()}
    cpu = {name: 1e3 * median(values, "cpu") / images for name, values in measured.items()}
    speed = {name: images / median(values) for name, values in measured.items()}
    spread = ratio(measured["lightly-train"], measured["ours"], "cpu")
    details = (
        f"CPU time {spread['low']:.2f} to {spread['high']:.2f}x; "
        f"{cpu['ours']:.1f} against {cpu['lightly-train']:.1f} ms an image, workers included; "
        f"{speed['ours']:.1f} against {speed['lightly-train']:.1f} images/s"
    )
    what = f"images/s, {EQUAL if equal else DEFAULTS}, ours / lightly-train"
    goal = 1.3 if equal else None
    return ratio_row(what, measured["lightly-train"], measured["ours"], goal, details)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_rounds(parser, 3)
    add_threads(parser, 2)
    parser.add_argument(
        "--count", type=int, default=256, help="Use so many images (default: %(default)s)."
    )
    parser.add_argument("--equal", action="store_true", help="Make both alike, see above.")
    add_arguments(parser, "lightly-train")
    add_quick(parser)
    args = parser.parse_args()
    batch = 32
    if args.quick:
        args.rounds, args.count, batch = 1, 8, 4
    peer = python_of("lightly-train", args.environments, args.lightly_train_python)
    with tempfile.TemporaryDirectory() as folder:
        wanted = dict(
            names=write_images(Path(folder), args.count, 256, 192),
            folder=folder, size=64, small=32,
            epochs=args.rounds + 1, batch=batch, workers=2, threads=args.threads,
            equal=args.equal, config=str(CONFIG),
        )  # fmt: skip
        workers = [
            Worker("lightly-train", peer, "dino_lightly_train.py", wanted, threads=args.threads),
            Worker("ours", sys.executable, "dino_ours.py", wanted, True, args.threads),
        ]
        versions = {
            f"lightly-train {workers[0].info['lightly-train']}": workers[0].info["torch"],
            "ours": workers[1].info["torch"],
        }
        answers = in_turn(workers, args.rounds + 1)
    row = row_of(answers, args.count // batch * batch, args.equal)
    options = f"--rounds {args.rounds} --threads {args.threads} --count {args.count}"
    command = f"python benchmarks/end_to_end_dino.py {options}" + " --equal" * args.equal
    on = {name: f"on torch {torch}" for name, torch in versions.items()}
    script = "end_to_end_dino, equal" if args.equal else "end_to_end_dino"
    save(script, command, [row], on, keep=not args.quick)


if __name__ == "__main__":
    main()
