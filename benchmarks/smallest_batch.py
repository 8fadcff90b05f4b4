"""Smallest batch at which each method was seen to learn: short trainings, for choosing a method.

From the smallest batch to the largest, ``tools/isic2019/compare_frozen.py`` trains the small
configs with that batch, the learning rate scaled with it (``auto_scale_lr``). A method learns where
k-NN and linear probe of its frozen features are both above those of each untrained network that
this command has drawn, one for each group of methods; then it is not tried with larger batches. One
that learns with none of them is kept as "> 32".
``benchmarks/results/smallest_batch.json`` keeps the result, from which
``tools/misc/list_methods.py`` and the table of docs/en/model_zoo.md have it. Methods that are not
tried now are kept.

Example: python benchmarks/smallest_batch.py --images data/isic2019/images
    --train data/isic2019/splits/ISIC_2019_train_fold0.txt
    --test data/isic2019/splits/ISIC_2019_test_fold0.txt --out work_dirs/batches
    --methods simclr vicreg --batches 8 16 32
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from method_costs import CONFIGS, update_page
from pairs import ROOT
from results import FOLDER, machine, write

sys.path.insert(0, str(ROOT))
FILE = FOLDER / "smallest_batch.json"
UNTRAINED = "untrained"


def learned(
    frozen: Mapping[str, Any], drawn: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return what learned, by method: its numbers and the best ones of untrained networks.

    Args:
        frozen: Content of ``frozen.json``, one seed.
        drawn: Rows of untrained networks, those of ``frozen`` among them.
    """
    found = {}
    for row in frozen["rows"]:
        same = [base for base in drawn if base["network"] == row["network"]]
        best = {key: max(base[key] for base in same) for key in ("knn", "probe")}
        if row["name"] != UNTRAINED and all(row[key] > best[key] for key in best):
            numbers = {key: round(row[key], 4) for key in best}
            numbers |= {f"untrained_{key}": round(value, 4) for key, value in best.items()}
            found[row["name"]] = {"views": row["views"], **numbers}
    return found


def untrained(out: Path) -> list[dict[str, Any]]:
    """Return the rows of the untrained networks of all comparisons in a folder."""
    files = [json.loads(path.read_text("utf-8")) for path in sorted(out.glob("*/frozen.json"))]
    return [row for frozen in files for row in frozen["rows"] if row["name"] == UNTRAINED]


def compare(args: argparse.Namespace, names: Sequence[str], batch: int, made_for: int) -> Any:
    """Train methods with a batch, and return the content of ``frozen.json``.

    Args:
        args: The command line.
        names: Folders of configs.
        batch: Images of a step.
        made_for: Images of a step that the learning rates of these configs are made for.
    """
    out = args.out / f"batch{batch}_of{made_for}"
    command = [
        *(sys.executable, str(ROOT / "tools" / "isic2019" / "compare_frozen.py")),
        *("--images", str(args.images), "--train", str(args.train), "--test", str(args.test)),
        *("--out", str(out), "--views", str(args.views), "--jobs", str(args.jobs)),
        *(("--dataset-config", str(args.dataset_config)) if args.dataset_config else ()),
        *("--algorithms", *names, "--seeds", str(args.seed)),
        *("--cfg-options", f"data.samples_per_gpu={batch}", "auto_scale_lr.enable=True"),
        *(f"auto_scale_lr.base_batch_size={made_for}", *args.cfg_options),
    ]
    subprocess.run(command, check=True)
    return json.loads((out / "frozen.json").read_text(encoding="utf-8"))


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, text in (
        ("images", "Read the images from this folder."),
        ("train", "Read the training images from this list, lines: name label."),
        ("test", "Read the test images, of other lesions, from this list."),
        ("out", "Write the trainings to this folder."),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, help=text)
    parser.add_argument(
        "--methods", nargs="+", required=True, metavar="FOLDER", help="Folders of configs/selfsup."
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[8, 16, 32], metavar="N")
    parser.add_argument("--views", type=int, default=16_000, help="Views of each training.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0, help="Trainings at the same time.")
    parser.add_argument("--dataset-config", type=Path, help="As compare_frozen.py takes it.")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    args.batches = sorted(set(args.batches))
    return args


def main() -> None:
    """Run the benchmark."""
    args = parse_args()
    from mmselfsup.apis.method_table import list_methods

    made_for = {row.config.partition("/")[0]: row.batch for row in list_methods(CONFIGS)}
    unknown = sorted(set(args.methods) - set(made_for))
    if unknown:
        raise SystemExit(
            f"no small config in configs/selfsup/{unknown[0]}; there are: {[*made_for]}"
        )
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {"methods": {}}
    options = [option for option in args.cfg_options if "/" not in option]  # no folders
    how = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "options": options}
    left = list(args.methods)
    for batch in args.batches:
        tried = []
        for base in sorted({made_for[name] for name in left}):
            names = [name for name in left if made_for[name] == base]
            tried.append(compare(args, names, batch, base))
        for frozen in tried:
            found = learned(frozen, untrained(args.out))
            for name, numbers in found.items():
                known["methods"][name] = {"batch": batch, "seed": args.seed, **numbers, **how}
            left = [name for name in left if name not in found]
        for name in left:
            known["methods"][name] = {"batch": f"> {batch}", "seed": args.seed, **how}
        text = json.dumps(known, indent=1, sort_keys=True) + "\n"
        write(FILE, text)  # a run that is stopped keeps what it has
    for name in left:
        print(f"{name}: did not learn with batches of {', '.join(map(str, args.batches))}")
    update_page()


if __name__ == "__main__":
    main()
