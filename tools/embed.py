"""Write the features of images by a trained network, and a picture of them.

Example: python tools/embed.py work_dirs/simclr64/latest.pth photos/ --out features.npz
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that a clone needs no install

from mmselfsup.utils.cli import add_options_argument, prepare_process
from mmselfsup.utils.errors import UserError, run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [CONFIG] CHECKPOINT IMAGES [IMAGES ...] --out FILE [options]",
        description="Write the features of images by a trained network, and a picture of them.",
        epilog="The features are those of the last stage that k-NN and linear probe measure. An "
        "image that can't be read has nan, and the exit code is 2.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="[CONFIG] CHECKPOINT IMAGES",
        help="Read this checkpoint of tools/train.py, with its own config unless one stands "
        "before it; embed these images: folders, files, patterns, lists (.txt, .csv).",
    )
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
    parser.add_argument("--batch-size", type=int, default=64, help="(default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=0, help="Read images in this many processes (default: 0)."
    )
    parser.add_argument("--gpu-id", type=int, help="Use this GPU (default 0).")
    add_options_argument(parser)
    parser.set_defaults(local_rank=None)  # one process; prepare_process needs it
    return parser.parse_args(argv)


def main() -> None:
    """Embed the images, and write features and picture."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.apis.embedder import Embedder
    from mmselfsup.apis.embedding_picture import check_picture, write_picture_of
    from mmselfsup.apis.embeddings import check_features_file
    from mmselfsup.apis.image_input import given_images, split_files
    from mmselfsup.config.overrides import parse_options

    config, checkpoint, images = split_files(args.files)
    check_features_file(args.out, args.maps)
    if args.picture:
        check_picture(args.picture, args.method)
    given = given_images(images)
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
    if embeddings.errors:
        first = next(iter(embeddings.errors.values()))
        unread = f"{len(embeddings.errors)} of {number}"
        raise UserError(f"{unread} images could not be read, such as {first}")


if __name__ == "__main__":
    run_cli(main)
