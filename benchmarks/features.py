"""Benchmark of the extraction of features on the CPU: from JPEG files to the array, and by hand.

Ours is what k-NN, probe and t-SNE run: data set, loader, network, one array; with the images from
the decode cache (stored at the size of the pipeline's ``Resize``), or as tensors. The plain side
is torchvision's network alone on a batch that is there already, in the same precision and layout
(bfloat16, channels_last) and with kept memory, as ours: with convolutions of small maps as PyTorch
computes them ("forward"), or as matrix products, as in ours ("products").

Example: python benchmarks/features.py --images data/isic2019/originals
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from pairs import Worker, in_turn, median
from results import Row, add_quick, add_rounds, add_threads, ratio_row, save

#: Depth, size of an image, short side before the crop, images, batch.
SETTINGS = ((18, 64, 72, 1024, 128), (50, 224, 256, 64, 16))


def measure(args: argparse.Namespace, setting: tuple[int, int, int, int, int]) -> list[Row]:
    """Return the rows of one network and size."""
    depth, size, short, images, batch = setting
    with tempfile.TemporaryDirectory() as folder:
        wanted = dict(
            depth=depth, size=size, short=short, images=min(images, args.limit), batch=batch,
            folder=str(args.images), cache=folder, threads=args.threads,
        )  # fmt: skip
        workers = [
            Worker(kind, sys.executable, "features.py", {**wanted, "kind": kind}, True)
            for kind in ("forward", "products", "ready", "ours")
        ]
        args.versions = {"both": f"on torch {workers[0].info['torch']}"}
        answers = in_turn(workers, args.rounds)
    ms = {name: 1e3 * median(values, "cpu") / wanted["images"] for name, values in answers.items()}
    what = f"ResNet-{depth}, {size} px"
    rows = []
    for plain, name in (("forward", "forward pass"), ("products", "forward pass, matrix products")):
        for kind, how in (("ours", "from the cache"), ("ready", "from tensors")):
            details = f"{ms[kind]:.2f} ms against {ms[plain]:.2f} ms of CPU time an image"
            title = f"{what}: {name} alone / extraction {how}"
            rows.append(ratio_row(title, answers[plain], answers[kind], 0.95, details))
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=Path, required=True, help="Read JPEG files from this folder."
    )
    add_rounds(parser, 7)
    add_threads(parser, 1)
    parser.add_argument(
        "--limit", type=int, default=1024, help="Use at most this number of images."
    )
    add_quick(parser)
    args = parser.parse_args()
    args.images = args.images.resolve()
    if args.quick:
        args.rounds, args.limit = 2, 4
    settings = SETTINGS[:1] if args.quick else SETTINGS
    rows = [row for setting in settings for row in measure(args, setting)]
    options = f"--limit {args.limit} --rounds {args.rounds} --threads {args.threads}"
    command = f"python benchmarks/features.py --images IMAGES {options}"
    save("features", command, rows, args.versions, keep=not args.quick)


if __name__ == "__main__":
    main()
