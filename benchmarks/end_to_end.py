"""Benchmark from files to weights on the CPU: SimCLR, ResNet-18, 64 px, ours and lightly 1.6.0.

It includes decoding, augmentation, loader, model, optimizer and log. Both train on the same images
with two loader workers; then the same code runs k-NN on the frozen features of both. Lightly trains
with its defaults; ours by our config for small images, with the decode cache and in bfloat16, or
with ``--equal`` in float32 and NCHW, without a cache, with lightly's transforms and optimizer.

Example: python benchmarks/end_to_end.py --images data/isic2019/images
    --train-list data/isic2019/splits/ISIC_2019_train_fold0.txt
    --test-list data/isic2019/splits/ISIC_2019_test_fold0.txt
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from environments import add_arguments, python_of
from pairs import ROOT, Worker, in_turn, median
from results import Row, add_quick, add_threads, ratio_row, save

EQUAL = "images/s in float32 and NCHW, same transforms (with blur), no cache, ours / lightly"
CONFIG = ROOT / "configs/selfsup/simclr/simclr_resnet18_1xb128-coslr-100e_isic2019-64.py"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=Path, required=True, help="Read small images from this folder."
    )
    parser.add_argument(
        "--train-list",
        type=Path,
        required=True,
        help="Read the training images from this list, lines: name label.",
    )
    parser.add_argument(
        "--test-list", type=Path, required=True, help="Read the images of the k-NN from this list."
    )
    parser.add_argument("--limit", type=int, default=2560, help="Use the first images of the list.")
    parser.add_argument(
        "--epochs",
        type=int,
        default=6,
        help="Train for this number of epochs (default: %(default)s).",
    )
    add_threads(parser, 2)
    parser.add_argument(
        "--equal",
        action="store_true",
        help="Train ours with the precision, layout, transforms, optimizer and caching of lightly.",
    )
    parser.add_argument("--compile", action="store_true", help="Compile the model.")
    parser.add_argument(
        "--batch", type=int, default=128, help="Use this batch size (default: %(default)s)."
    )
    add_arguments(parser, "lightly")
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.limit, args.epochs, args.batch, args.compile = 32, 2, 16, False
    peer = python_of("lightly", args.environments, args.lightly_python)
    train, test = (path.read_text().split("\n") for path in (args.train_list, args.test_list))
    wanted = dict(
        folder=str(args.images.resolve()),
        train=[line for line in train if line][: args.limit],
        test=[line for line in test if line][: 32 if args.quick else None],
        epochs=args.epochs, batch=args.batch, workers=2, threads=args.threads, size=64,
        config=str(CONFIG), compile=args.compile, cache=not args.equal, as_lightly=args.equal,
    )  # fmt: skip
    workers = [
        Worker("lightly", peer, "epochs_lightly.py", wanted, threads=args.threads),
        Worker("ours", sys.executable, "epochs_ours.py", wanted, True, args.threads),
    ]
    versions = {
        f"lightly {workers[0].info['lightly']}": f"on torch {workers[0].info['torch']}",
        "ours": f"on torch {workers[1].info['torch']}",
    }
    answers = in_turn(workers, args.epochs + 1)
    scores = {name: values.pop()["score"] for name, values in answers.items()}
    num_images = len(wanted["train"]) // args.batch * args.batch
    speed = {name: num_images / median(values) for name, values in answers.items()}
    rows = [
        ratio_row(
            EQUAL if args.equal else "images/s, ours / lightly",
            answers["lightly"][1:],
            answers["ours"][1:],
            None if args.equal else 2.2,
            f"{speed['ours']:.0f} against {speed['lightly']:.0f} images/s, first epoch left out",
        ),
        Row(
            "the same for all epochs, with writing the cache, starting workers, compiling",
            f"{_total(answers, workers[1].info['cache']):.2f}x",
            "",
            "",
            None,
            f"of this the cache took {workers[1].info['cache']:.1f} s",
        ),
        Row(
            f"k-NN balanced accuracy after {args.epochs} epochs on {num_images} images",
            f"{scores['ours']:.3f}",
            "",
            f"lightly's {scores['lightly']:.3f}",
            None if args.equal else scores["ours"] >= scores["lightly"],
            f"k = 20, {len(wanted['test'])} test images, one seed",
        ),
    ]
    options = f"--limit {args.limit} --epochs {args.epochs} --threads {args.threads}"
    compiled = " --compile" * args.compile
    equal = " --equal" * args.equal
    command = f"python benchmarks/end_to_end.py ... {options}{compiled}{equal}"
    script = "end_to_end, equal" if args.equal else "end_to_end"
    save(script, command, rows, versions, keep=not args.quick)


def _total(answers: dict[str, list[dict[str, float]]], before: float) -> float:
    """Return the ratio of the total times; ``before``: seconds of ours before the first epoch."""
    seconds = {name: sum(answer["wall"] for answer in values) for name, values in answers.items()}
    return seconds["lightly"] / (seconds["ours"] + before)


if __name__ == "__main__":
    main()
