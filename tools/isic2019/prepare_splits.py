"""Make cross-validation lists of ISIC-2019: stratified by class, no lesion on both sides."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Writes for each fold k ISIC_2019_train_fold{k}.txt and ISIC_2019_test_fold{k}.txt; "
        "ISIC_2019_subtrain_fold{k}.txt and ISIC_2019_val_fold{k}.txt part the training images "
        "80:20 for choosing hyper-parameters. Lines are 'NAME.jpg label', labels 0..7 stand for "
        "MEL NV BCC AK BKL DF VASC SCC. splits.json counts.",
    )
    parser.add_argument(
        "--root", required=True, metavar="R", help="folder of the unpacked ISIC-2019 files"
    )
    parser.add_argument(
        "--ground-truth",
        metavar="CSV",
        help="labels (default: ISIC_2019_Training_GroundTruth.csv below R)",
    )
    parser.add_argument(
        "--metadata",
        metavar="CSV",
        help="lesion ids (default: ISIC_2019_Training_Metadata.csv below R)",
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="folder of the images (default: ISIC_2019_Training_Input or images below R)",
    )
    parser.add_argument("--folds", type=int, default=5, metavar="F", help="default: 5")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--out", metavar="DIR", help="where the lists go (default: R/splits)")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    import os
    from pathlib import Path

    from rich.console import Console

    from mmselfsup.isic.prepare import prepare_splits
    from mmselfsup.isic.split_lists import fold_table

    summary = prepare_splits(
        args.root, args.ground_truth, args.metadata, args.images, args.folds, args.seed, args.out
    )
    out = Path(args.out or Path(args.root, "splits"))
    Console().print(fold_table(summary))
    print(
        f"{summary['num_images']} of {summary['num_listed']} listed images, "
        f"{summary['num_lesions']} lesions and {summary['num_without_lesion_id']} images without "
        f"a lesion id\nimages: {os.path.normpath(out / summary['images'])}\nlists:  {out}"
    )


if __name__ == "__main__":
    args = parse_args()  # before the imports, so that --help is quick

    from mmselfsup.utils.errors import run_cli

    run_cli(lambda: main(args))
