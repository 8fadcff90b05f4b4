"""Time and memory of a training step of each small config, beside SimCLR's: for choosing a method.

Each config takes equally many images, with the views, the network and the optimizer that it has, on
the CPU in channels_last, in bfloat16 where there are instructions for it. SimCLR's step alternates
with it. The result goes to ``benchmarks/results/method_costs.json``, each method with its command,
machine and date; from there ``tools/misc/list_methods.py`` reads it, and the table of
docs/en/model_zoo.md is written. Methods that are not measured now are kept. CAE's tokenizer and the
teacher of Distillation get random weights: they cost as much as others.

Example: python benchmarks/method_costs.py --images 32 --rounds 5 --threads 1
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from pairs import ROOT, Worker, in_turn, median, ratio
from results import FOLDER, add_quick, add_rounds, add_threads, machine, write

sys.path.insert(0, str(ROOT))
FILE = FOLDER / "method_costs.json"
PAGE = ROOT / "docs" / "en" / "model_zoo.md"
BEGIN, END = "<!-- list_methods.py --markdown -->\n", "<!-- end of list_methods.py -->"
CONFIGS = ROOT / "configs" / "selfsup"


def measure(config: str, base: str, args: argparse.Namespace) -> dict[str, float]:
    """Return time and peak memory of a step as multiples of the base's, and both in numbers."""
    settings = dict(images=args.images, threads=args.threads)
    workers = [
        Worker(
            name, sys.executable, "method_cost.py",
            {**settings, "config": str(CONFIGS / path)}, True, args.threads,
        )
        for name, path in (("base", base), ("method", config))
    ]  # fmt: skip
    answers = in_turn(workers, args.rounds)
    peak = {name: median(values, "memory") for name, values in answers.items()}
    return {
        "time": round(ratio(answers["method"], answers["base"], "cpu")["median"], 2),
        "memory": round(peak["method"] / peak["base"], 2),
        "seconds": round(median(answers["method"], "cpu"), 3),
        "mebibytes": round(peak["method"]),
    }


def update_page() -> None:
    """Write the table of methods into the model zoo."""
    from mmselfsup.apis.method_table import list_methods, markdown

    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    write(PAGE, before + BEGIN + markdown(list_methods(CONFIGS)) + END + after)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=32, help="Use batches of this many images.")
    add_rounds(parser, 5)
    add_threads(parser, 1)
    parser.add_argument(
        "--methods", nargs="+", metavar="FOLDER", help="Measure these folders of configs/selfsup."
    )
    add_quick(parser)
    args = parser.parse_args()
    if args.quick:
        args.images, args.rounds = 8, 1
    from mmselfsup.apis.method_table import list_methods

    configs = {row.config.partition("/")[0]: row.config for row in list_methods(CONFIGS)}
    unknown = sorted(set(args.methods or []) - set(configs))
    if unknown:
        parser.error(f"no small config in configs/selfsup/{unknown[0]}; there are: {[*configs]}")
    options = f"--images {args.images} --rounds {args.rounds} --threads {args.threads}"
    how = {
        "command": f"python benchmarks/method_costs.py {options}",
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
    }
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {"methods": {}}
    methods: dict[str, dict[str, Any]] = known["methods"]
    for folder in args.methods or configs:
        methods[folder] = {**measure(configs[folder], configs["simclr"], args), **how}
        print(f"{folder}: {methods[folder]}", flush=True)
        if not args.quick:  # a run that is stopped keeps what it has
            text = json.dumps({"methods": methods}, indent=1, sort_keys=True) + "\n"
            write(FILE, text)
    if args.quick:
        print("quick: nothing is saved, these numbers mean nothing")
    else:
        update_page()


if __name__ == "__main__":
    main()
