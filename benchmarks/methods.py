"""Benchmark of a step of each method on the CPU: ours by its small config, and a plain loop.

ResNet-18 and ViT-Ti/8 at 64 px, or with ``--transformers`` ViT-S/16 and Swin-T at 224 px; bfloat16,
channels_last on both sides. MoCo v1 is MoCo v2 with another neck, and a plain loop of ODC would
need its memory of labels, which takes more than a few lines: both are left out. CAE's tokenizer is
eight times narrower than DALL-E's, and the same code on both sides. The table calls the plain loop
"by hand"; ``tests/benchmarks/test_by_hand.py`` compares its loss and gradient with ours.

``--lightly`` measures lightly's losses and heads with torchvision's ResNet-18 as well, with the
same batch, precision and layout, each view in a forward pass of its own as in lightly's documents.

Examples: python benchmarks/methods.py --images 64 --threads 2 --lightly
          python benchmarks/methods.py --transformers --images 8 --size 224
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from environments import add_arguments, python_of
from pairs import WORKERS, Worker, in_turn, median
from results import Row, add_quick, add_rounds, add_threads, ratio_row, save

sys.path.append(str(WORKERS))
from method_configs import config_of

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
    "simclr": "SimCLR",
    "dcl": "DCL",
    "dclw": "DCLW",
    "supcon": "SupCon",
    "nnclr": "NNCLR",
    "all4one": "All4One",
    "nnbyol": "NNBYOL",
    "nnsiam": "NNSiam",
    "fastsiam": "FastSiam, 4 views",
    "tico": "TiCo",
    "mmcr": "MMCR",
    "vicreg": "VICReg",
    "vicregl": "VICRegL",
    "vibcreg": "VIbCReg",
    "wmse": "W-MSE",
    "lejepa": "LeJEPA 2 + 6",
    "visreg": "VISReg 2 + 6",
    "ressl": "ReSSL",
    "smog": "SMoG",
    "deepclusterv2": "DeepCluster v2 2 + 6",
    "distillation": "distillation of a ResNet-50",
    "dino": "DINO 2 + 6",
    "spark": "SparK",
    "dino_vit": "DINO 2 + 6, ViT-Ti/8",
    "ibot": "iBOT 2 + 6, ViT-Ti/8",
    "dinov2": "DINOv2 2 + 6, ViT-Ti/8",
    "msn": "MSN 2 + 6, ViT-Ti/8",
    "pmsn": "PMSN 2 + 6, ViT-Ti/8",
    "ijepa": "I-JEPA, ViT-Ti/8",
}
TRANSFORMERS = {
    "mae": "MAE, ViT-S/16",
    "mocov3": "MoCo v3, ViT-S/16",
    "maskfeat": "MaskFeat, ViT-S/16",
    "simmim": "SimMIM, Swin-T",
    "cae": "CAE, ViT-S/16",
}
#: Methods that lightly has with a ResNet, see ``workers/method_lightly.py``. Its W-MSE wants
#: batches of twice the width of a projection, which are 128 images.
LIGHTLY = (
    "mocov2", "byol", "simsiam", "swav", "barlowtwins", "simclr", "dcl", "dclw", "nnclr",
    "fastsiam", "tico", "mmcr", "vicreg", "vicregl", "lejepa", "visreg", "smog", "dino",
)  # fmt: skip


def workers_of(
    methods: Sequence[str], args: argparse.Namespace, lightly: str | None
) -> dict[str, Worker]:
    """Start the workers; ``lightly`` is the python that has it, None to leave it out."""
    pythons = {"by hand": sys.executable, "ours": sys.executable}
    if lightly is not None and not set(methods).isdisjoint(LIGHTLY):
        pythons["lightly"] = lightly
    common = dict(images=args.images, size=args.size, threads=args.threads, rounds=args.rounds)
    workers = {}
    for kind, python in pythons.items():
        configs = {m: str(config_of(m)) for m in methods if kind != "lightly" or m in LIGHTLY}
        settings = {**common, "kind": kind, "configs": configs}
        mine = kind != "lightly"
        workers[kind] = Worker(kind, python, "methods.py", settings, mine, args.threads)
    return workers


def measure(
    method: str, workers: dict[str, Worker], args: argparse.Namespace
) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of the next method of the workers, and versions."""
    taking = [worker for kind, worker in workers.items() if kind != "lightly" or method in LIGHTLY]
    infos = [worker.next_info() for worker in taking]
    versions = {key: value for info in infos for key, value in info.items()}
    answers = in_turn(taking, args.rounds, close=False)
    title = {**METHODS, **TRANSFORMERS}[method]
    goals = {"by hand": 0.95, "lightly": 1.0}
    rows = [versus(title, kind, answers, goals[kind]) for kind in goals if kind in answers]
    return rows + (memory_row(method, answers) if args.transformers else []), versions


def versus(title: str, kind: str, answers: dict[str, list[dict[str, float]]], goal: float) -> Row:
    """Return the row of the ratio of the times of another implementation and ours."""
    seconds = {name: median(values) for name, values in answers.items()}
    return ratio_row(
        f"{title}: {kind} / ours",
        answers[kind],
        answers["ours"],
        goal,
        f"{1000 * seconds['ours']:.0f} ms against {1000 * seconds[kind]:.0f} ms",
    )


def memory_row(method: str, answers: dict[str, list[dict[str, float]]]) -> list[Row]:
    """Return the row of the peak memory of a transformer."""
    peak = {name: median(values, "memory") for name, values in answers.items()}
    times = peak["ours"] / peak["by hand"]
    how = f"{peak['ours']:.0f} against {peak['by hand']:.0f} MiB, libraries included"
    what = f"{TRANSFORMERS[method]}: peak memory, ours / by hand"
    return [Row(what, f"{times:.2f}x", "", "at most 1.1x", times <= 1.1, how)]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=int, default=64, help="Use this number of images, two views each."
    )
    parser.add_argument(
        "--size", type=int, default=64, help="Use images of this size (default: %(default)s)."
    )
    add_rounds(parser, 7)
    add_threads(parser, 2)
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=[*METHODS, *TRANSFORMERS],
        help="Measure these methods (default: all); others keep what was measured by the same "
        "command on the same machine.",
    )
    parser.add_argument(
        "--transformers", action="store_true", help="Measure the methods of vision transformers."
    )
    parser.add_argument(
        "--lightly", action="store_true", help="Measure lightly's losses and heads as well."
    )
    add_arguments(parser, "lightly")
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.images, args.size, args.rounds = (2, 224, 2) if args.transformers else (8, 64, 2)
    lightly = python_of("lightly", args.environments, args.lightly_python) if args.lightly else None
    options = f"--images {args.images} --size {args.size} --rounds {args.rounds}"
    command = f"python benchmarks/methods.py {options} --threads {args.threads}"
    command += " --transformers" if args.transformers else ""
    command += " --lightly" if args.lightly else ""
    script = "methods"
    if args.transformers or args.lightly:
        script += ", transformers" if args.transformers else ", lightly"
    methods = args.methods or list(TRANSFORMERS if args.transformers else METHODS)
    workers = workers_of(methods, args, lightly)
    for method in methods:
        rows, versions = measure(method, workers, args)
        # One by one: a run that is stopped keeps what it has.
        save(script, command, rows, versions, keep=not args.quick, merge=True)
    for worker in workers.values():
        worker.close()


if __name__ == "__main__":
    main()
