"""Arguments and first steps that the command lines share; nothing heavy is imported here."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from .repository import find_config, in_repository

LAUNCHERS = ("none", "pytorch", "slurm", "mpi")


class _Store(argparse.Action):
    """The action of options that name none; lists that are given twice are joined."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Keep the value of one option."""
        before = getattr(namespace, self.dest, None)
        if option_string and self.nargs in ("+", "*") and before and before is not self.default:
            values = [*before, *values]
        setattr(namespace, self.dest, values)


class ArgumentParser(argparse.ArgumentParser):
    """A parser that takes every option with ``-`` and with ``_`` between its words.

    The tools of MMSelfSup 0.x have ``--work_dir`` beside ``--cfg-options``. An option is declared
    once, in the form that ``--help`` shall show. An option of several values may be given several
    times (argparse alone would drop all but the last). Subcommands have parsers of this class, too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register("action", None, _Store)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Read what is known of a command line; see argparse."""
        return super().parse_known_args(list(self._as_declared(args)), namespace)

    def parse_known_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Read what is known of a command line with positional arguments anywhere."""
        return super().parse_known_intermixed_args(list(self._as_declared(args)), namespace)

    def _as_declared(self, args: Sequence[str] | None) -> Iterator[str]:
        """Yield the words of a command line, options and their abbreviations as declared.

        Shells leave ``~/`` in ``--out=~/table.csv``; here it becomes the home folder.
        """
        words = list(sys.argv[1:] if args is None else args)
        end = words.index("--") if "--" in words else len(words)
        # The shortest first: --gpu-id is an option, and the beginning of --gpu_ids.
        declared = sorted(self._option_string_actions, key=len)
        for word in words[:end]:
            name, equals, value = word.partition("=")
            if name.startswith("--") and name not in declared:
                plain = _dashed(name)
                fit = (known for known in declared if _dashed(known).startswith(plain))
                name = next(fit, name)[: len(name)]
            if name.startswith("--") and value.startswith("~/"):
                value = os.path.expanduser(value)
            yield f"{name}{equals}{value}"
        yield from words[end:]


def _dashed(name: str) -> str:
    """Return the name of an option with ``-`` between its words."""
    return name.replace("_", "-")


def add_options_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``; ``config.overrides.parse_options`` reads the values later."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="Override the config, for example optimizer.lr=0.1 model.backbone.out_indices='[4]'.",
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options common to training and testing: folder, device, launcher, overrides."""
    parser.add_argument("--work_dir", help="Write all files to this folder.")
    parser.add_argument(
        "--gpu-id", type=int, help="Use this GPU where there is no launcher (default 0)."
    )
    parser.add_argument(
        "--launcher",
        choices=LAUNCHERS,
        default="none",
        help="Join the processes that this launcher starts.",
    )
    parser.add_argument(
        "--local_rank",
        type=int,
        help="Number of this process on its node; the launcher sets it.",
    )
    add_options_argument(parser)


def add_check_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that leaves out the search for listed files, for slow stores."""
    parser.add_argument(
        "--no-check-files",
        action="store_true",
        help="Do not look for all listed files before the start, which may take long on a slow "
        "store.",
    )


def add_image_arguments(parser: argparse.ArgumentParser, use: str, batch_size: int) -> None:
    """Add the options common to the tools that take a checkpoint and any images.

    Args:
        parser: The parser.
        use: What is done with the images, such as ``"embed"``.
        batch_size: Images in a batch where none is given.
    """
    parser.add_argument(
        "files",
        nargs="+",
        metavar="[CONFIG] CHECKPOINT IMAGES",
        help="Read this checkpoint of tools/train.py, with its own config unless one stands "
        f"before it; {use} these images: folders, files, patterns, lists (.txt, .csv), "
        "shards (their folder, index.safetensors or address).",
    )
    parser.add_argument(
        "--image-column",
        metavar="NAME",
        help="Take the names of the images from this column of a list.",
    )
    parser.add_argument(
        "--data-prefix",
        metavar="FOLDER",
        action="append",
        help="Names of a list are relative to this folder (default: that of the list). Given "
        "several times, they are searched in all these folders.",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=batch_size,
        help="Pass this many images through the network at a time (default: %(default)s).",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="Read images in this many processes (default: 0)."
    )
    add_options_argument(parser)
    parser.set_defaults(local_rank=None)  # one process; prepare_process needs it


def add_frozen_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options common to the benchmarks of frozen features (linear probe, k-NN, ...)."""
    parser.add_argument("config", help="Measure the model of this pre-training config.")
    parser.add_argument(
        "--checkpoint",
        help="Read the weights from this file; 'none' measures the untrained network.",
    )
    parser.add_argument(
        "--random", action="store_true", help="Do the same as with --checkpoint none."
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="Draw random weights and held-out samples with this seed (default 0).",
    )
    parser.add_argument(
        "--dataset-config",
        default=in_repository("configs/benchmarks/classification/knn_imagenet.py"),
        help="Take data.train and data.val from this config (default %(default)s).",
    )
    parser.add_argument(
        "--features",
        metavar="FILE.npz",
        help="Read the features from this file where it exists, and write them to it otherwise.",
    )
    parser.add_argument(
        "--out",
        metavar="FILE.json",
        help="Write the result to this file (default: a file in the work dir).",
    )
    parser.add_argument(
        "--use-cuda",
        nargs="?",
        default=True,
        const=True,
        help="Use the CPU with 'False'; an option of 0.x.",
    )
    add_check_argument(parser)
    add_run_arguments(parser)


def prepare_process(args: argparse.Namespace) -> None:
    """Find configs by their names, and set what must be set before torch is imported.

    Raises:
        UserError: There is no config of that name, or there are several.
    """
    for name in ("config", "dataset_config"):
        if isinstance(getattr(args, name, None), str):
            setattr(args, name, find_config(getattr(args, name)))
    if args.local_rank is not None:  # of old launchers; torchrun sets the variable
        os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    use_cuda = str(getattr(args, "use_cuda", True)).lower() not in ("false", "0", "no")
    if getattr(args, "gpus", None) == 0 or not use_cuda:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
