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


def prepare_process(args: argparse.Namespace) -> None:
    """What must happen between reading the arguments and importing torch."""
    quiet_imports()
    if args.local_rank is not None:  # old launchers give an argument, torchrun the environment
        os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    if getattr(args, "gpus", None) == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def quiet_imports() -> None:
    """Silence what mmcv and torch say about themselves when they are imported."""
    warnings.filterwarnings("ignore", message="On January 1, 2023, MMCV will release")
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    warnings.filterwarnings("ignore", category=FutureWarning, module="mmcv")
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
