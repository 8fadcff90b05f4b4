"""Benchmark of the types of ``adapt`` on the CPU: time and memory of a step, against ``full``.

MoCo v3 with ViT-S/16, AdamW, float32; the memory is what steps take beyond the loaded model.

Example: python benchmarks/adapt.py --images 8 --size 224 --threads 1
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pairs import ROOT, Worker, in_turn, median
from results import Row, add_quick, add_rounds, add_threads, ratio_row, save

TYPES: dict[str, dict[str, Any]] = {
    "full": {"type": "full"},
    "last_blocks, 4 of 12": {"type": "last_blocks", "blocks": 4},
    "lora, r 8, attention": {"type": "lora", "rank": 8},
    "lora, r 8, qkv": {"type": "lora", "rank": 8, "targets": ["qkv"]},
    "apla": {"type": "apla"},
    "apla, 64 columns": {"type": "apla", "columns": 64},
    "norm_bias": {"type": "norm_bias"},
}


def measure(args: argparse.Namespace) -> tuple[list[Row], str]:
    """Return the rows of all types but ``full``, and the version of torch."""
    (config,) = (ROOT / "configs" / "selfsup" / "mocov3").glob("*_vit-small-p16_1xb*_vit.py")
    common = dict(images=args.images, size=args.size, threads=args.threads, config=str(config))
    workers = [
        Worker(
            name,
            sys.executable,
            "adapt.py",
            {**common, "adapt": adapt},
            True,
            args.threads,
        )
        for name, adapt in TYPES.items()
    ]
    trained = {worker.name: worker.info["trained"] for worker in workers}
    answers = in_turn(workers, args.rounds)
    memory = {name: median(values, "memory") for name, values in answers.items()}
    rows = []
    for name in TYPES:
        share = trained[name] / trained["full"]
        details = (
            f"{trained[name]:,} weights of the backbone train ({share:.2%}); memory "
            f"{memory[name]:.0f} against {memory['full']:.0f} MiB "
            f"({memory[name] / memory['full']:.2f}x)"
        )
        if name != "full":
            what = f"{name}: time of full / its own"
            rows.append(ratio_row(what, answers["full"], answers[name], None, details))
    return rows, f"torch {workers[0].info['torch']}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=int, default=8, help="Use this number of images, two views each."
    )
    parser.add_argument(
        "--size", type=int, default=224, help="Use images of this size (default: %(default)s)."
    )
    add_rounds(parser, 5)
    add_threads(parser, 1)
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.images, args.size, args.rounds = 2, 32, 2
    rows, version = measure(args)
    options = f"--images {args.images} --size {args.size} --rounds {args.rounds}"
    command = f"python benchmarks/adapt.py {options} --threads {args.threads}"
    save("adapt", command, rows, {"mmselfsup": f"on {version}"}, keep=not args.quick)


if __name__ == "__main__":
    main()
