"""Write the index of tar files in webdataset's layout, so that the data source `Shards` reads them.

The tar files stay as they are; all of them are read once.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import UserError, run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="Read the tar files of this folder, in order of their names."
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="Write the index to this file (default: index.safetensors in the folder).",
    )
    return parser.parse_args(argv)


def main() -> None:
    """Write the index."""
    args = parse_args()
    from mmselfsup.datasets.data_sources.shard_index import INDEX_NAME
    from mmselfsup.datasets.data_sources.shard_writer import index_shards

    paths = sorted(args.folder.glob("*.tar"))
    if not paths:
        raise UserError(f"{args.folder}: no tar files (*.tar) there; check the folder")
    output = args.output or args.folder / INDEX_NAME
    index = index_shards(paths, output)
    print(f"{len(index)} images in {len(index.shards)} shards: {output}")


if __name__ == "__main__":
    run_cli(main)
