"""Benchmark of a step of each method on the CPU: ours by its small config, and a plain loop.

ResNet-18 at 64 px, or with ``--transformers`` ViT-S/16 and Swin-T at 224 px; bfloat16,
channels_last on both sides. MoCo v1 is MoCo v2 with another neck, and a plain loop of ODC would
need its memory of labels, which takes more than a few lines: both are left out. CAE's tokenizer is
eight times narrower than DALL-E's, and the same code on both sides. The table calls the plain loop
"by hand".

Examples: python benchmarks/methods.py --images 64 --threads 2
          python benchmarks/methods.py --transformers --images 8 --size 224
"""

from __future__ import annotations

import argparse
import sys

from pairs import ROOT, Worker, in_turn, median
from results import Row, add_quick, ratio_row, save

METHODS = {
    "rotation_pred": "rotation prediction",
    "relative_loc": "relative location",
    "deepcluster": "DeepCluster",
    "npid": "NPID",
    "mocov2": "MoCo v2",
    "densecl": "DenseCL",
    "byol": "BYOL",
    "simsiam": "SimSiam",
    "swav": "SwAV 2 + 6",
    "barlowtwins": "Barlow Twins",
    "interclr": "InterCLR",
}
TRANSFORMERS = {
    "mae": "MAE, ViT-S/16",
    "mocov3": "MoCo v3, ViT-S/16",
    "maskfeat": "MaskFeat, ViT-S/16",
    "simmim": "SimMIM, Swin-T",
    "cae": "CAE, ViT-S/16",
}


def measure(method: str, args: argparse.Namespace) -> tuple[list[Row], str]:
    """Return the rows of one method, and the version of torch."""
    network = "swin-tiny" if method == "simmim" else "vit-small-p16"
    names = f"*_{network}*_isic2019*.py" if args.transformers else "*_resnet18_*_isic2019-64.py"
    (config,) = (ROOT / "configs" / "selfsup" / method).glob(names)
    title = {**METHODS, **TRANSFORMERS}[method]
    wanted = dict(
        method=method, images=args.images, size=args.size, threads=args.threads, config=str(config)
    )
    workers = [
        Worker(kind, sys.executable, "methods.py", {**wanted, "kind": kind}, True, args.threads)
        for kind in ("by hand", "ours")
    ]
    answers = in_turn(workers, args.rounds)
    seconds = {name: median(values) for name, values in answers.items()}
    row = ratio_row(
        f"{title}: by hand / ours",
        answers["by hand"],
        answers["ours"],
        0.95,
        f"{1000 * seconds['ours']:.0f} ms against {1000 * seconds['by hand']:.0f} ms",
    )
    rows = [row]
    if args.transformers:
        peak = {name: median(values, "memory") for name, values in answers.items()}
        times = peak["ours"] / peak["by hand"]
        how = f"{peak['ours']:.0f} against {peak['by hand']:.0f} MiB, libraries included"
        what = f"{title}: peak memory, ours / by hand"
        rows.append(Row(what, f"{times:.2f}x", "", "at most 1.1x", times <= 1.1, how))
    return rows, f"on torch {workers[0].info['torch']}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=int, default=64, help="Use this number of images, two views each."
    )
    parser.add_argument(
        "--size", type=int, default=64, help="Use images of this size (default: %(default)s)."
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=7,
        help="Measure this number of rounds (default: %(default)s).",
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="Use this number of threads (default: %(default)s)."
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=[*METHODS, *TRANSFORMERS],
        help="Measure these methods (default: all).",
    )
    parser.add_argument(
        "--transformers", action="store_true", help="Measure the methods of vision transformers."
    )
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.images, args.size, args.rounds = (2, 224, 2) if args.transformers else (8, 32, 2)
    methods = args.methods or list(TRANSFORMERS if args.transformers else METHODS)
    measured = [measure(method, args) for method in methods]
    options = f"--images {args.images} --size {args.size} --rounds {args.rounds}"
    command = f"python benchmarks/methods.py {options} --threads {args.threads}"
    rows = [row for several, _ in measured for row in several]
    versions = {"both": measured[0][1]}
    if args.transformers:
        command += " --transformers"
    save(
        "methods, transformers" if args.transformers else "methods",
        command,
        rows,
        versions,
        keep=not args.quick,
    )


if __name__ == "__main__":
    main()
