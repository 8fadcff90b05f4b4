"""Make the lists and targets of VOC's classification task for the linear SVMs."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data_source_dir",
        required=True,
        help="Read ImageSets and JPEGImages of this folder (.../VOC2007).",
    )
    parser.add_argument("--output_dir", required=True, help="Write the files to this folder.")
    parser.add_argument(
        "--separate_partitions",
        type=int,
        default=0,
        help="Make train and val with 1, not trainval.",
    )
    parser.add_argument(
        "--generate_json", type=int, default=0, help="Also write the targets as JSON with 1."
    )
    return parser.parse_args(argv)


def main() -> None:
    """Write the files."""
    args = parse_args()
    from mmselfsup.datasets.data_sources.converters import convert_voc

    for line in convert_voc(
        args.data_source_dir,
        args.output_dir,
        bool(args.separate_partitions),
        bool(args.generate_json),
    ):
        print(line)


if __name__ == "__main__":
    run_cli(main)
