"""Benchmark of ``reduced_decode``: items of large JPEG files, decoded whole and as the crops need.

The files are made of the given images: enlarged, with some noise of a sensor, quality 92. Both
sides make the same two views of SimCLR, and differ in this option alone.

Example: python benchmarks/reduced_decode.py --images data/isic2019/originals
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from items import augment
from pairs import Worker, in_turn, median
from results import Row, add_quick, add_rounds, ratio_row, save

from mmselfsup.datasets.builder import build_dataset

Config = dict[str, Any]
#: (width, height) of the files, and how many times faster items shall be.
SIZES: dict[tuple[int, int], float | None] = {
    (600, 450): None,
    (1024, 1024): 2.0,
    (1600, 1200): 4.0,
    (3840, 2560): 4.0,
}
_NOISE, _QUALITY = 3.0, 92  # standard deviation in 0..255; quality of the JPEG files
_SIZE = 224


def enlarge(sources: list[Path], folder: Path, width: int, height: int) -> float:
    """Write the images in another size; return their mean size in KiB."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for path in sources:
        image = cv2.resize(cv2.imread(str(path)), (width, height), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(image + rng.normal(0, _NOISE, image.shape), 0, 255).astype(np.uint8)
        target = str(folder / f"{path.stem}.jpg")
        cv2.imwrite(target, noisy, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return float(np.mean([path.stat().st_size for path in folder.iterdir()]) / 1024)


def dataset(folder: Path, pipeline: list[Config], reduced: bool) -> Config:
    """Return the config of two views of each image of a folder."""
    source = dict(type="ImageList", data_prefix=str(folder), reduced_decode=reduced)
    views: Config = dict(num_views=[2], pipelines=[pipeline])
    return dict(type="MultiViewDataset", data_source=source, **views)


def difference(folder: Path) -> float:
    """Return the mean absolute difference of crops of both sides, in 0..255."""
    pipeline = [augment(_SIZE, (0.2, 1.0))[0], dict(type="ToTensor")]
    crops = []
    for reduced in (False, True):
        images = build_dataset(dataset(folder, pipeline, reduced))
        torch.manual_seed(0)
        crops.append([view for i in range(len(images)) for view in images[i]["img"]])
    return float(np.mean([(a - b).abs().mean().item() * 255 for a, b in zip(*crops, strict=True)]))


def measure(args: argparse.Namespace, folder: Path, size: tuple[int, int]) -> Row:
    """Return the row of a size of files."""
    sources = sorted(args.images.glob("*.jpg"))[: args.files]
    kib = enlarge(sources, folder, *size)
    workers = [
        Worker(
            name,
            sys.executable,
            "items.py",
            dict(dataset=dataset(folder, augment(_SIZE, (0.2, 1.0)), reduced), items=args.files),
            ours=True,
        )
        for name, reduced in (("whole", False), ("reduced", True))
    ]
    answers = in_turn(workers, args.rounds)
    whole, reduced = (answers[name] for name in ("whole", "reduced"))
    ms = [1e3 * median(side, "cpu") / args.files for side in (reduced, whole)]
    details = (
        f"{ms[0]:.1f} ms against {ms[1]:.1f} ms of CPU time; files of {kib:.0f} KiB; crops differ "
        f"by {difference(folder):.2f} of 255 in the mean"
    )
    what = f"SimCLR, {_SIZE} px, crops of 20 to 100 %, files of {size[0]}x{size[1]}"
    return ratio_row(f"{what}: whole / reduced", whole, reduced, SIZES[size], details)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="Read JPEG files from here.")
    parser.add_argument("--files", type=int, default=24, help="Use this number (default: 24).")
    add_rounds(parser, 7)
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.files, args.rounds = 2, 2
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for size in SIZES:
            rows.append(measure(args, Path(name, f"{size[0]}x{size[1]}"), size))
    command = f"python benchmarks/reduced_decode.py --images IMAGES --rounds {args.rounds}"
    versions = {"torch": torch.__version__, "OpenCV": cv2.__version__}
    save("reduced_decode", command, rows, versions, keep=not args.quick)


if __name__ == "__main__":
    main()
