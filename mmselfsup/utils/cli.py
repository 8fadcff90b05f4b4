"""Arguments and first steps that the command lines share; nothing heavy is imported here."""

import argparse
import logging
import os
import warnings

LAUNCHERS = ("none", "pytorch", "slurm", "mpi")


def add_options_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``; the values are read later, by ``apis.config.parse_options``."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="override the config, for example optimizer.lr=0.1 model.backbone.out_indices='[4]'",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what training and testing have in common: folder, device, launcher, overrides."""
    parser.add_argument(
        "--work_dir", "--work-dir", dest="work_dir", help="folder of everything that is written"
    )
    parser.add_argument("--gpu-id", type=int, help="GPU to use without a launcher (default 0)")
    parser.add_argument(
        "--launcher", choices=LAUNCHERS, default="none", help="what starts the processes"
    )
    parser.add_argument(
        "--local_rank", "--local-rank", dest="local_rank", type=int, help="set by the launcher"
    )
    add_options_argument(parser)


def add_frozen_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the judges of frozen features have in common."""
    parser.add_argument("config", help="config of the pre-training: its model is measured")
    parser.add_argument(
        "--checkpoint", help="file of the weights; 'none' measures the untrained network"
    )
    parser.add_argument("--random", action="store_true", help="the same as --checkpoint none")
    parser.add_argument(
        "--seed", type=int, default=0, help="of random weights and held-out samples (default 0)"
    )
    parser.add_argument(
        "--dataset-config",
        default="configs/benchmarks/classification/knn_imagenet.py",
        help="config with data.train and data.val (default %(default)s)",
    )
    parser.add_argument(
        "--features", metavar="FILE.npz", help="keep the features there, or take them from there"
    )
    parser.add_argument("--out", metavar="FILE.json", help="result (default: in the work dir)")
    parser.add_argument(
        "--use-cuda", nargs="?", default=True, const=True, help="of 0.x: 'False' uses the CPU"
    )
    add_run_arguments(parser)


def prepare_process(args: argparse.Namespace) -> None:
    """What must happen between reading the arguments and importing torch."""
    if args.local_rank is not None:  # old launchers give an argument, torchrun the environment
        os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    use_cuda = str(getattr(args, "use_cuda", True)).lower() not in ("false", "0", "no")
    if getattr(args, "gpus", None) == 0 or not use_cuda:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def quiet_imports() -> None:
    """Silence what mmcv and torch say about themselves when they are imported."""
    warnings.filterwarnings("ignore", message="On January 1, 2023, MMCV will release")
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    warnings.filterwarnings("ignore", category=FutureWarning, module="mmcv")
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
