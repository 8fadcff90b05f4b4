"""Count the parameters of a config's model."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Count the parameters of a config's model.")
    parser.add_argument("config", help="Use this config.")
    return parser.parse_args(argv)


def main() -> None:
    """Print one line for each part of the model and one for the sum."""
    args = parse_args()
    from mmselfsup.config.load import load_config
    from mmselfsup.config.own_data import resolve
    from mmselfsup.models import build_algorithm
    from mmselfsup.utils.error_context import config_errors

    cfg = load_config(args.config)
    resolve(cfg)
    with config_errors("model"):
        model = build_algorithm(cfg.model)
    rows = [*model.named_children(), ("all", model)]
    print(f"{'part':<20} {'parameters':>14} {'trainable':>14}")
    for name, part in rows:
        counts = [(p.numel(), p.requires_grad) for p in part.parameters()]
        total, trained = sum(n for n, _ in counts), sum(n for n, grad in counts if grad)
        print(f"{name:<20} {total:>14,} {trained:>14,}")


if __name__ == "__main__":
    run_cli(main)
