"""The steps of ``tools/train.py``."""

import copy
import os
import warnings
from argparse import Namespace
from typing import Any

import torch
from mmcv import Config
from torch import nn

from mmselfsup import __version__
from mmselfsup.config import config_text
from mmselfsup.config.load import load_config
from mmselfsup.core.checkpoint import load_state
from mmselfsup.datasets import build_dataset
from mmselfsup.models import build_algorithm
from mmselfsup.utils import collect_env, dist, find_latest_checkpoint, setup_multi_processes
from mmselfsup.utils.error_context import config_errors
from mmselfsup.utils.errors import UserError

from .launch import dump_config, join_ranks, open_log, open_work_dir, seed_everything, work_dir_of
from .train import train_model


def run_training(args: Namespace) -> None:
    """Run the training of a command line.

    Raises:
        UserError: See the single steps.
    """
    cfg = read_settings(args)
    open_work_dir(cfg.work_dir)
    setup_multi_processes(cfg)
    torch.backends.cudnn.benchmark = bool(cfg.get("cudnn_benchmark"))
    ranks = join_ranks(args, cfg)
    dump_config(cfg, args.config)
    logger, timestamp = open_log(cfg)
    meta = describe_run(args, cfg, logger)
    if ranks.note:
        logger.info(ranks.note)
    deterministic = bool(args.deterministic or cfg.get("deterministic"))
    differ = bool(args.diff_seed or cfg.get("diff_seed"))
    cfg.seed = meta["seed"] = seed_everything(cfg.get("seed"), deterministic, differ)
    logger.info("seed: %d, deterministic: %s", cfg.seed, deterministic)
    with config_errors("model"):
        model = build_model(cfg)
    with config_errors("data"):
        datasets = build_datasets(cfg)
    meta["CLASSES"] = getattr(datasets[0], "CLASSES", None)
    train_model(model, datasets, cfg, ranks.distributed, timestamp, meta)
    dist.destroy()


def read_settings(args: Namespace) -> Config:
    """Return the config with the options of the command line applied."""
    cfg = load_config(args.config, args.cfg_options)
    check_complete(cfg, args.config)
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or work_dir_of(args.config)
    if args.resume_from is not None:
        cfg.resume_from = args.resume_from
    elif args.auto_resume or cfg.get("auto_resume"):
        cfg.resume_from = latest_checkpoint(cfg.work_dir)
    for key in ("resume_from", "load_from"):
        path = cfg.get(key)
        if path and "://" not in path and not os.path.isfile(path):
            raise UserError(f"{key}: there is no checkpoint {path}")
    if args.seed is not None:
        cfg.seed = args.seed
    elif cfg.get("seed") is None and cfg.get("resume_from"):
        # A resumed run continues with its own seed; "meta" allocates no memory for the weights.
        cfg.seed = (load_state(cfg.resume_from, map_location="meta").get("meta") or {}).get("seed")
    return cfg


def check_complete(cfg: Config, filename: str) -> None:
    """Check that a config has everything that a training needs."""
    missing = [key for key in ("model", "optimizer") if not cfg.get(key)]
    if not (cfg.get("data") or {}).get("train"):
        missing.append("data.train")
    if not (cfg.get("runner") or cfg.get("total_epochs")):
        missing.append("runner")
    if missing:
        raise UserError(
            f"{filename} has no {', '.join(missing)}: a training needs them (_base_ may name files "
            "that have them)"
        )


def latest_checkpoint(work_dir: str) -> str | None:
    """Return the checkpoint to resume from; None to start from the beginning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a first run has nothing to resume
        return find_latest_checkpoint(work_dir)


def describe_run(args: Namespace, cfg: Config, logger: Any) -> dict[str, Any]:
    """Log the environment and the config, and return the facts that checkpoints store."""
    env = "\n".join(f"{name}: {value}" for name, value in collect_env().items())
    line = "-" * 60
    logger.info("Environment:\n%s\n%s\n%s", line, env, line)
    text = config_text(cfg._cfg_dict)
    logger.info("Config:\n%s", text)
    return {
        "env_info": env,
        "config": text,
        "exp_name": os.path.basename(args.config),
        "mmselfsup_version": __version__,
    }


def build_model(cfg: Config) -> nn.Module:
    """Return the model with initialised weights."""
    model: Any = build_algorithm(copy.deepcopy(cfg.model))
    model.init_weights()
    return model


def build_datasets(cfg: Config) -> list[Any]:
    """Return one data set for each entry of the workflow.

    The loss on the validation set is computed on samples with the pipelines of the training.
    """
    datasets = []
    for mode, _ in cfg.get("workflow", [("train", 1)]):
        if mode == "train":
            datasets.append(build_dataset(cfg.data.train))
            continue
        if cfg.data.get("val") is None:
            raise UserError("workflow has a 'val' entry, but data.val is not set")
        val = copy.deepcopy(cfg.data.val)
        if val.get("type") == cfg.data.train.get("type"):
            # Lesion positives belong to training lesions, and may exclude this very list.
            own = ("type", "data_source", "lesion_positives")
            val.update({k: v for k, v in cfg.data.train.items() if k not in own})
        datasets.append(build_dataset(val))
    return datasets
