"""Print a config with its bases and overrides, as one file."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, add_options_argument
from mmselfsup.utils.errors import UserError, run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Print a config with its bases and overrides.")
    parser.add_argument("config", help="Use this config.")
    parser.add_argument(
        "--safe",
        action="store_true",
        help="Show a .yaml or .json config without running anything, for one from a stranger.",
    )
    add_options_argument(parser)
    return parser.parse_args(argv)


def main() -> None:
    """Print the config."""
    args = parse_args()
    if args.safe:
        from mmselfsup.config.files import read_data_config
        from mmselfsup.config.text import config_text

        if args.cfg_options:
            raise UserError("--safe shows the file alone: leave --cfg-options out")
        print(f"Config:\n{config_text(read_data_config(args.config))}")
        return
    from mmselfsup.config.load import load_config
    from mmselfsup.config.text import config_text

    print(f"Config:\n{config_text(load_config(args.config, args.cfg_options)._cfg_dict)}")


if __name__ == "__main__":
    run_cli(main)
