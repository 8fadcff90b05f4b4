"""Write the features of images by a trained network, and a picture of them.

Example: python tools/embed.py work_dirs/simclr64/latest.pth photos/ --out features.npz
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install

from mmselfsup.utils.cli import ArgumentParser, add_image_arguments, prepare_process
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        usage="%(prog)s [CONFIG] CHECKPOINT IMAGES [IMAGES ...] --out FILE [options]",
        description="Write the features of images by a trained network, and a picture of them.",
        epilog="The features are those of the last stage that k-NN and linear probe measure. An "
        "image that can't be read has nan, and the exit code is 2.",
    )
    add_image_arguments(parser, "embed", batch_size=64)
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="Write to this .npz, .csv or .parquet file."
    )
    parser.add_argument("--maps", action="store_true", help="Write the maps too (.npz).")
    parser.add_argument(
        "--picture", metavar="PNG", help="Draw the images by t-SNE or UMAP to this .png or .jpg."
    )
    parser.add_argument(
        "--method",
        choices=("tsne", "umap"),
        default="tsne",
        help="Place the images of the picture by this method (default: %(default)s).",
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of the picture (default 0).")
    parser.add_argument(
        "--dataset-config", metavar="FILE", help="Prepare the images as this config tests."
    )
    return parser.parse_args(argv)


def main() -> None:
    """Embed the images, and write features and picture."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.inference.embedder import Embedder
    from mmselfsup.apis.inference.embedding_picture import check_picture_options, write_picture_of
    from mmselfsup.apis.inference.embeddings import check_features_file
    from mmselfsup.apis.inference.image_input import check_all_read, given_images, split_files
    from mmselfsup.config.overrides import parse_options

    config, checkpoint, images = split_files(args.files)
    check_features_file(args.out, args.maps)
    if args.picture:
        check_picture_options(args.picture, args.method)
    given = given_images(images, args.image_column, args.data_prefix)
    embedder = Embedder(
        checkpoint, config, args.dataset_config, args.batch_size, args.workers,
        parse_options(args.cfg_options),
    )  # fmt: skip
    embeddings = embedder(given, args.maps)
    embeddings.write(args.out)
    number, width = embeddings.features.shape
    print(f"{args.out}: {number} images, {width} features each")
    if args.picture:
        write_picture_of(args.picture, embedder, embeddings, given, args.method, args.seed)
        print(f"{args.picture}: the images by {args.method}")
    check_all_read(embeddings.errors, len(embeddings.images))


if __name__ == "__main__":
    run_cli(main)
