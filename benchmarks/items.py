"""Benchmark of data set items: ours, cold and from the decode cache, and mmselfsup 0.11.0.

All in one process, without a loader.

Example: python benchmarks/items.py --images data/isic2019/originals
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from environments import add_arguments, python_of
from pairs import Worker, in_turn, median
from results import Row, add_quick, add_rounds, ratio_row, save

Config = dict[str, Any]
_TO_TENSOR: list[Config] = [
    dict(type="ToTensor"),
    dict(type="Normalize", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
]


def augment(
    size: int,
    scale: tuple[float, float] = (0.08, 1.0),
    jitter: tuple[float, float, float, float] = (0.8, 0.8, 0.8, 0.2),
    blur: float = 0.5,
    solarize: float | None = None,
    **crop: Any,
) -> list[Config]:
    """Return the pipeline that all these methods share, with each method's numbers."""
    strengths = dict(zip(("brightness", "contrast", "saturation", "hue"), jitter, strict=True))
    colours = [dict(type="ColorJitter", **strengths)]
    solarization = [] if solarize is None else [dict(type="Solarization", p=solarize)]
    return [
        dict(type="RandomResizedCrop", size=size, scale=scale, **crop),
        dict(type="RandomHorizontalFlip"),
        dict(type="RandomAppliedTrans", transforms=colours, p=0.8),
        dict(type="RandomGrayscale", p=0.2),
        dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=blur),
        *solarization,
        *_TO_TENSOR,
    ]


_BYOL: dict[str, Any] = dict(jitter=(0.4, 0.4, 0.2, 0.1), interpolation=3)
#: Method -> (num_views, pipelines).
METHODS: dict[str, tuple[list[int], list[list[Config]]]] = {
    "SimCLR": ([2], [augment(224)]),
    "MoCo v2": ([2], [augment(224, (0.2, 1.0), (0.4, 0.4, 0.4, 0.1))]),
    "BYOL": (
        [1, 1],
        [
            augment(224, blur=1.0, solarize=0.0, **_BYOL),
            augment(224, blur=0.1, solarize=0.2, **_BYOL),
        ],
    ),
    "SwAV 2 + 6": ([2, 6], [augment(224, (0.14, 1.0)), augment(96, (0.05, 0.14))]),
}


def measure(method: str, args: argparse.Namespace, peer: str, folder: Path) -> list[Row]:
    """Return two rows of a method: cold and cached."""
    views, pipelines = METHODS[method]
    source = dict(type="ImageList", data_prefix=str(args.images), ann_file=str(folder / "list.txt"))
    cached = {**source, "cache": dict(dir=str(folder / "cache"), short_side=256)}

    def worker(name: str, python: str, data_source: Config, ours: bool) -> Worker:
        dataset = dict(
            type="MultiViewDataset", data_source=data_source, num_views=views, pipelines=pipelines
        )
        return Worker(name, python, "items.py", dict(dataset=dataset, items=args.items), ours)

    workers = [
        worker("0.11.0", peer, source, False),
        worker("cold", sys.executable, source, True),
        worker("cached", sys.executable, cached, True),
    ]
    args.versions = {
        "mmselfsup 0.11.0 on torch": workers[0].info["torch"],
        "ours on torch": workers[1].info["torch"],
    }
    answers = in_turn(workers, args.rounds)
    ms = {name: 1e3 * median(values, "cpu") / args.items for name, values in answers.items()}
    rows = []
    for name, goal in (("cold", 2.5), ("cached", 6.0)):
        details = f"{ms[name]:.2f} ms against {ms['0.11.0']:.2f} ms of CPU time"
        pair = answers["0.11.0"], answers[name]
        rows.append(ratio_row(f"{method}, {name}", *pair, goal, details))
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=Path, required=True, help="Read JPEG files from this folder."
    )
    add_rounds(parser, 9)
    parser.add_argument(
        "--items", type=int, default=64, help="Load this number of items per round."
    )
    add_arguments(parser, "mmselfsup")
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.items = 2, 1
    args.images = args.images.resolve()
    peer = python_of("mmselfsup", args.environments, args.mmselfsup_python)
    names = sorted(p.name for p in args.images.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
    names = names[: 4 if args.quick else None]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "list.txt").write_text("".join(f"{name} 0\n" for name in names))
        rows = [row for method in METHODS for row in measure(method, args, peer, folder)]
    command = f"python benchmarks/items.py --images IMAGES --rounds {args.rounds}"
    save("items", command, rows, args.versions, keep=not args.quick)


if __name__ == "__main__":
    main()
