"""Look at the frozen features of a network before and after its pre-training."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that a clone needs no install

from mmselfsup.utils.cli import prepare_process
from mmselfsup.utils.errors import run_cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Writes points.npz (t-SNE of test images by the random network of the seed and by "
        "the checkpoint), looks.json (nearest training images of some test images) and thumbs/; "
        "report.html shows them. The features stay in before.npz and after.npz, so that a stopped "
        "run goes on.",
    )
    parser.add_argument("config", type=Path, help="config of the pre-training")
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights it left")
    parser.add_argument(
        "--dataset-config",
        type=Path,
        required=True,
        help="config of a classifier: images go through its data.test",
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of the images")
    parser.add_argument("--train", type=Path, required=True, help="list of training images")
    parser.add_argument("--test", type=Path, required=True, help="list of test images")
    parser.add_argument("--metadata", type=Path, help="CSV of the lesions, which tell the source")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    for flag, what in (("--cfg-options", "config"), ("--dataset-options", "--dataset-config")):
        parser.add_argument(
            flag, nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=f"of {what}"
        )
    parser.set_defaults(local_rank=None)  # one process: prepare_process asks
    return parser.parse_args(argv)


def main() -> None:
    """Look."""
    args = parse_args()
    prepare_process(args)
    from mmselfsup.study.looks.run import run

    run(args)


if __name__ == "__main__":
    run_cli(main)
