"""Write the images of a folder or a list to shards (tar files) with an index, for `Shards`.

The bytes of the images stay as they are. A run that was stopped continues when it is started again.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("images", help="Read the images from this folder.")
    parser.add_argument(
        "output", type=Path, help="Write the shards and index.safetensors to this folder."
    )
    parser.add_argument(
        "--ann-file",
        metavar="FILE",
        help="Take the images of this list, text or CSV (default: all images of the folder; its "
        "sub-folders are the classes, and without any, no image has a label).",
    )
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="Read the names of the classes from this file, one a line.",
    )
    parser.add_argument(
        "--multi-label", action="store_true", help="Let an image be of several classes."
    )
    parser.add_argument(
        "--images-per-shard",
        type=int,
        default=5000,
        metavar="N",
        help="Put this number of images into each shard (default: %(default)s).",
    )
    return parser.parse_args(argv)


def main() -> None:
    """Write the shards."""
    args = parse_args()
    from mmselfsup.datasets.data_sources import ImageList, ImageNet
    from mmselfsup.datasets.data_sources.base import BaseDataSource
    from mmselfsup.datasets.data_sources.shard_writer import make_shards
    from mmselfsup.utils.errors import NoImagesError

    source: BaseDataSource
    if args.ann_file is not None:
        source = ImageList(
            args.images, classes=args.classes, ann_file=args.ann_file, multi_label=args.multi_label
        )
    else:
        try:
            source = ImageNet(args.images, classes=args.classes)
        except NoImagesError:  # no sub-folders
            source = ImageList(args.images, classes=args.classes)
    index = make_shards(source, args.output, args.images_per_shard)
    size = int(index.shard_bytes.sum()) / 1e9
    print(f"{len(index)} images in {len(index.shards)} shards, {size:.2f} GB: {args.output}")


if __name__ == "__main__":
    run_cli(main)
