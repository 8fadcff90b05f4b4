"""The first steps of a command line: device, ranks, work dir and log."""

import os
import re
import tempfile
import time
from argparse import Namespace
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmcv import Config

from mmselfsup.config.check import unread_names
from mmselfsup.utils import dist
from mmselfsup.utils.device import choose_device, num_gpus
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text
from mmselfsup.utils.logger import get_root_logger
from mmselfsup.utils.plurals import counted
from mmselfsup.utils.seed import init_random_seed, set_random_seed
from mmselfsup.utils.work_dir_lock import only_one

LOCK = ".train.lock"
# Checkpoints of a run, without those that only point to one or are made from it.
_CHECKPOINT = re.compile(r"(epoch|iter)_\d+\.pth|stopped\.pth|best_.*\.pth")


@dataclass(frozen=True)
class Ranks:
    """The role of this process among the others.

    Attributes:
        distributed: Whether a launcher started it.
        note: A line for the log about the devices, or an empty string.
    """

    distributed: bool
    note: str = ""


def join_ranks(args: Namespace, cfg: Config) -> Ranks:
    """Choose the GPU of this process and, under a launcher, join the process group.

    Raises:
        UserError: The command line names more GPUs or processes than there are GPUs, or
            ``cfg.device`` is a GPU that the machine doesn't have.
    """
    choose_device(cfg.get("device"))
    if args.launcher == "none":
        return Ranks(distributed=False, note=_choose_gpu(args, cfg))
    params = dict(cfg.get("dist_params") or {})
    wanted = params.pop("backend", None)
    _check_local_ranks(wanted)
    backend = dist.init_dist(args.launcher, wanted, **params)
    cfg.gpu_ids = list(range(dist.get_world_size()))
    if wanted is not None and wanted != backend:
        return Ranks(True, f"no GPU here: backend {backend} in place of {wanted}")
    return Ranks(True)


def _check_local_ranks(backend: str | None) -> None:
    """Check that each process has a GPU, which NCCL needs: without, it hangs or fails later."""
    local_ranks, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), num_gpus()
    if gpus and backend in (None, "nccl") and local_ranks > gpus:
        raise UserError(
            f"{counted(local_ranks, 'process')} on this machine, but {counted(gpus, 'GPU')}: lower "
            "--nproc_per_node, or share GPUs by --cfg-options dist_params.backend=gloo"
        )


def _choose_gpu(args: Namespace, cfg: Config) -> str:
    """Choose the GPU of a single process: the first named one, or the CPU on machines without.

    Returns:
        A note for the log.
    """
    gpus = num_gpus()
    number = getattr(args, "gpus", None)
    if number is not None and number < 0:
        raise UserError(f"--gpus {number}: give 0 for the CPU, or a number of GPUs")
    if number is not None and number > gpus:
        available = f"there are {gpus}" if gpus else "there is none; without --gpus the CPU is used"
        raise UserError(f"--gpus {number}: {available}")
    named = getattr(args, "gpu_ids", None) or ([args.gpu_id] if args.gpu_id is not None else [])
    if any(not 0 <= gpu < gpus for gpu in named):
        raise UserError(f"there is no GPU {max(named)}: this machine has {gpus}, counted from 0")
    cfg.gpu_ids = list(named[:1]) or [0]
    if gpus:
        torch.cuda.set_device(cfg.gpu_ids[0])
    if max(number or 1, len(named)) > 1:
        return "one process uses one GPU; for more: tools/dist_train.sh CONFIG NUMBER_OF_GPUS"
    return ""


def work_dir_of(config: str) -> str:
    """Return ``./work_dirs/<second part of the config's path>/<name of the config>``.

    The second part is what follows ``configs/``: ``selfsup`` or ``benchmarks``.
    """
    path = Path(config)
    folders = list(path.parent.parts)
    if "configs" in folders:
        folders = folders[folders.index("configs") :]
    elif path.is_absolute():
        folders = []
    return str(Path("./work_dirs", *folders[1:2], path.stem))


def open_work_dir(work_dir: str) -> None:
    """Create the folder and check that it can be written, on every rank.

    Raises:
        UserError: It can't be created or written.
    """
    try:
        Path(work_dir).mkdir(parents=True, exist_ok=True)
        # A file of its own for each process: all ranks check the folder at the same time, and in
        # containers several of them have the same process id.
        handle, probe = tempfile.mkstemp(prefix=".probe.txt.", dir=work_dir)
        os.close(handle)
        os.unlink(probe)
    except OSError as error:
        raise UserError(
            f"can't write the work dir {work_dir}: {error.strerror}; choose another --work_dir"
        ) from error


def may_replace(args: Namespace, cfg: Config) -> bool:
    """Return whether the training may go into a work dir with checkpoints.

    It resumes, or was asked to where there is nothing to resume (a run that was killed after its
    best checkpoint, before its first regular one), or a launcher has started it again.
    """
    asked = (getattr(args, name, False) for name in ("force", "check", "auto_resume"))
    restarted = os.environ.get("MMSELFSUP_CONTINUE") == "1" or (
        os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    )
    return bool(cfg.get("resume_from") or cfg.get("auto_resume") or restarted or any(asked))


def refuse_other_run(work_dir: str) -> None:
    """Check that a training that starts anew replaces no checkpoint of an earlier one.

    Raises:
        UserError: The folder holds checkpoints.
    """
    found = [path for path in Path(work_dir).iterdir() if _CHECKPOINT.fullmatch(path.name)]
    if found:
        newest = max(found, key=lambda path: path.stat().st_mtime).name
        raise UserError(
            f"{work_dir} holds another run ({counted(len(found), 'checkpoint')}, the newest is "
            f"{newest}): continue it with --auto-resume, choose another --work_dir, or replace it "
            "with --force"
        )


def only_training(work_dir: str) -> AbstractContextManager[None]:
    """Keep a work dir to one training inside a ``with`` block.

    Raises:
        UserError: Another training runs in it.
    """
    return only_one(Path(work_dir), LOCK, "training", "--work_dir")


def open_log(cfg: Config, name: str = "") -> tuple[Any, str]:
    """Return the logger to ``<work_dir>/<timestamp>.log``, and the timestamp (one for all ranks).

    A number distinguishes runs that start in the same second. Names of the config that nothing
    knows are the first line.
    """
    stamp = time.strftime("%Y%m%d_%H%M%S")
    taken = [f.name for f in Path(cfg.work_dir).glob(f"*{stamp}*.log")]
    # Ranks may start in different seconds: all use the time of the first.
    stamp = str(dist.broadcast_object(f"{stamp}_{len(taken)}" if taken else stamp))
    log_file = os.path.join(cfg.work_dir, f"{name}{stamp}.log")
    logger = get_root_logger(log_file, cfg.get("log_level", "INFO"))
    unread = unread_names(cfg)
    if unread:
        logger.info(
            "names of the config that are no settings: %s; they have no effect unless code of "
            "yours reads them",
            ", ".join(unread),
        )
    return logger, stamp


def dump_config(work_dir: str, text: str, config: str) -> None:
    """Write the whole config, bases and overrides included, into the work dir.

    Args:
        work_dir: The folder.
        text: The config.
        config: The file that it was read from; the new file has its name.
    """
    if dist.is_main():
        name = re.sub(r"\.(json|ya?ml)$", ".py", os.path.basename(config))
        atomic_write_text(os.path.join(work_dir, name), text)


def seed_everything(seed: int | None, deterministic: bool, differ: bool) -> int:
    """Seed this process, and return the seed common to all ranks.

    Args:
        seed: The seed; None draws one.
        deterministic: See ``set_random_seed``.
        differ: Whether each rank gets a different seed.

    Returns:
        The seed common to all ranks, which the loaders use.
    """
    seed = init_random_seed(seed)
    set_random_seed(seed + dist.get_rank() if differ else seed, deterministic)
    return seed
