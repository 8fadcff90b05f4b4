"""The training of a model on data sets, as a config describes it.

``run_training`` is the command line of ``tools/train.py``; ``train_model`` is the training of a
model and data sets that exist already. Below each are its steps, in their order.
"""

import copy
import logging
import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from mmcv import Config
from mmcv.runner import BaseRunner
from torch import nn
from torch.optim import Optimizer

from mmselfsup import __version__
from mmselfsup.config import own_data
from mmselfsup.config.inspect import names_weights
from mmselfsup.config.load import load_config
from mmselfsup.config.text import config_text
from mmselfsup.core import build_optimizer
from mmselfsup.core.adaptation import Adaptation, adapt_model
from mmselfsup.core.checkpoint import DataClasses, classes_at_start, load_weights, meta_of
from mmselfsup.core.hooks.stop_hook import kept_on_error
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.class_order import use_classes
from mmselfsup.datasets.loader import build_train_loaders
from mmselfsup.models import build_algorithm
from mmselfsup.utils import collect_env, dist, setup_multi_processes
from mmselfsup.utils.data_info import fit_to_data
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import config_errors, peer_errors, run_errors, shared_errors
from mmselfsup.utils.errors import Stopped, UserError
from mmselfsup.utils.logger import file_only, get_root_logger
from mmselfsup.utils.module import share_weights, unwrap
from mmselfsup.utils.processes import seconds_since_start
from mmselfsup.utils.seed import (
    init_random_seed,
    rng_untouched,
    set_random_seed,
    set_rank_seed,
)
from mmselfsup.utils.signals import deferred, stop_signals

from .launch import (
    Ranks,
    dump_config,
    join_ranks,
    may_replace,
    only_training,
    open_log,
    open_work_dir,
    refuse_other_run,
    seed_everything,
    work_dir_of,
)
from .preflight.config_faults import check_views, look_at_others, try_step, without_last_batch
from .preflight.data_info import check_labels, class_counts, data_size
from .preflight.data_look import DataLook, look_at
from .preflight.no_effect import report_no_effect
from .preflight.overview import log_table, report_disk, training_rows
from .preflight.schedule_check import check_schedules
from .preflight.trained_network import report_other_network
from .training.acceleration import accelerate
from .training.assembly import make_runner, wrap_model
from .training.auto_settings import apply_auto_settings
from .training.batch_size import scale_lr
from .training.hooks import register_hooks
from .training.resume import (
    check_changes,
    check_paths,
    compare,
    describe_data,
    keep_options,
    latest_checkpoint,
    optimizer_options,
    read_checkpoint,
)
from .training.start_classes import classes_of_model, start_classes
from .training.start_input import apply_start_input

__all__ = ["class_counts", "init_random_seed", "set_random_seed", "train_model"]


def train_model(
    model: nn.Module,
    dataset: Any,
    cfg: Config,
    distributed: bool = False,
    timestamp: str | None = None,
    meta: dict[str, Any] | None = None,
    resumed: dict[str, Any] | None = None,
    on_start: Callable[[], None] = lambda: None,
    check_only: bool = False,
) -> BaseRunner:
    """Train a model.

    Args:
        model: An algorithm with initialised weights, on any device.
        dataset: A data set, or one for each entry of ``cfg.workflow``.
        cfg: The config; it is not changed.
        distributed: Whether to train on all ranks of the process group.
        timestamp: Name of the JSON log, the same as that of the text log.
        meta: Facts about the run for its checkpoints (config, seed, environment).
        resumed: The content of ``cfg.resume_from``, where it is read already; it is emptied, so
            that nothing keeps the file open during the training.
        on_start: Called before the first iteration, when nothing has refused the training.
        check_only: Whether to return there, without training.

    Returns:
        The runner after its last epoch.

    Raises:
        UserError: Data, config and checkpoint don't fit together, or the loss is not finite.
    """
    logger = get_root_logger(log_level=cfg.get("log_level", "INFO"))
    datasets = list(dataset) if isinstance(dataset, (list, tuple)) else [dataset]
    with shared_errors(), config_errors("data"):
        loaders = build_train_loaders(datasets, cfg, distributed)
    size = data_size(loaders[0], distributed)
    data = describe_data(datasets[0], size)
    with shared_errors(), config_errors("model"):
        fit_to_data(model.modules(), size)
        _check_workflow(model, loaders, distributed)
        classes = start_classes(model, datasets[0])
        adaptation = prepare_adaptation(model, cfg, classes)
        accelerate(model, cfg, logger)
    model = wrap_model(model, distributed, cfg.get("find_unused_parameters"), cfg.get("sharding"))
    with shared_errors(), config_errors("optimizer"):
        optimizer = _make_optimizer(model, cfg, adaptation, size.batch_size, logger)
    with shared_errors(), config_errors("runner"):
        runner = make_runner(model, optimizer, cfg, logger, timestamp, meta)
    with shared_errors(), config_errors("model"):
        look = look_at(loaders[0], "data.train", cfg, logger)
        if too_few := try_step(cfg, loaders[0]):
            loaders[0] = without_last_batch(loaders[0], datasets[0], cfg, distributed, too_few)
        check_views(unwrap(model), loaders[0])
    with config_errors("hooks"):
        register_hooks(runner, cfg, loaders, distributed, adaptation)
    with shared_errors():
        looks = [look, *look_at_others(runner, datasets[0], cfg)]
        check_schedules(runner, len(loaders[0]))
        report_no_effect(cfg, runner, loaders[0], logger)
        fit_to_data(runner.hooks, size)
    runner.meta = {**(runner.meta or {}), "run": data | {"optimizer": optimizer_options(optimizer)}}
    load_weights_or_resume(runner, cfg, data, resumed, classes)
    _show_plan(cfg, runner, loaders[0], looks, logger)
    if check_only:
        return runner
    with shared_errors():
        on_start()
    with run_errors(), deferred(), kept_on_error(runner):
        runner.run(loaders, [tuple(entry) for entry in cfg.get("workflow", [("train", 1)])])
    return runner


def _show_plan(
    cfg: Config, runner: BaseRunner, loader: Any, looks: list[DataLook], logger: logging.Logger
) -> None:
    """Log what will run: data, model, steps, files and the disk that they take."""
    report_disk(runner, len(loader), logger)
    log_table(training_rows(cfg, runner, loader, looks), logger, "what will run:")


def _make_optimizer(
    model: nn.Module,
    cfg: Config,
    adaptation: Adaptation | None,
    batch_size: int,
    logger: logging.Logger,
) -> Optimizer:
    """Return the optimizer of ``cfg.optimizer``, with rates for the batch and the adaptation."""
    lr_scale = None if adaptation is None else adaptation.lr_scale
    optimizer = build_optimizer(model, cfg.optimizer, lr_scale)
    scale_lr(optimizer, cfg, batch_size, logger)
    return optimizer


def _check_workflow(model: nn.Module, loaders: list[Any], distributed: bool) -> None:
    """Check the labels of the data sets behind the first one of a workflow."""
    for number, loader in enumerate(loaders[1:], 1):
        name = f"data set {number} of the workflow"
        check_labels(model, data_size(loader, distributed), name)


def load_weights_or_resume(
    runner: BaseRunner,
    cfg: Config,
    data: Mapping[str, Any] | None = None,
    resumed: dict[str, Any] | None = None,
    classes: DataClasses | None = None,
) -> None:
    """Resume from ``resume_from``, otherwise start from the weights in ``load_from``; a collective.

    A file with a backbone alone fills the online network; the target becomes a copy of it.

    Args:
        runner: The runner.
        cfg: The config.
        data: The result of ``describe_data``.
        resumed: See ``train_model``.
        classes: The result of ``start_classes``, for ``load_from``; a resume compares ``data``.

    Raises:
        UserError: A file doesn't fit, is another one on another rank, or is of another run.
    """
    if cfg.get("resume_from"):
        state = resumed or read_checkpoint(cfg, "resume_from") or {}
        with shared_errors():
            changes = compare(state, runner, cfg, data or {})
            check_changes(changes, cfg.resume_from, runner, bool(cfg.get("force_resume")))
        with shared_errors():
            runner.resume(
                cfg.resume_from, state=state, allow_missing=bool(cfg.get("resume_missing"))
            )
        keep_options(runner, state)
        state.clear()
    elif cfg.get("load_from") and not cfg.get("adapt"):  # which has its start weights already
        load_start_weights(runner.model, cfg, classes)


def load_start_weights(model: nn.Module, cfg: Config, classes: DataClasses | None = None) -> None:
    """Load the weights in ``load_from``, the same on all ranks; a collective.

    A file with a backbone alone fills the online network; the target becomes a copy of it.

    Raises:
        UserError: The file doesn't fit, or is another one on another rank.
    """
    state = read_checkpoint(cfg, "load_from")
    module: Any = unwrap(model)
    report_other_network(cfg.get("model") or {}, cfg.load_from, state or {})
    report = load_weights(
        module,
        cfg.load_from,
        get_root_logger(),
        state=state,
        partial=bool(cfg.get("load_partial")),
        in_channels=cfg.get("load_in_channels"),
        classes=classes,
    )
    share_weights(module)
    if hasattr(module, "start_targets") and not module.holds_targets(report.matched):
        module.start_targets()


def prepare_adaptation(
    model: nn.Module, cfg: Config, classes: DataClasses | None = None
) -> Adaptation | None:
    """Load the start weights and prepare the backbone as ``adapt`` says; None without it.

    The weights come first: a file has the names of the backbone without adapters, and what trains
    must be known before the model is wrapped.

    Raises:
        UserError: The weights or the settings don't fit the model.
    """
    if not cfg.get("adapt"):
        return None
    model.to(default_device())
    if cfg.get("load_from") and not cfg.get("resume_from"):
        load_start_weights(model, cfg, classes)
    elif not cfg.get("resume_from") and not names_weights(cfg.model):
        get_root_logger().warning(
            "adapt: there are no start weights, so the backbone is random: set load_from"
        )
    return adapt_model(model, cfg.adapt, seed=cfg.get("seed") or 0)


def run_training(args: Namespace) -> None:
    """Run the training of a command line.

    Raises:
        UserError: See the single steps.
        Stopped: A signal asked the training to stop; ``latest.pth`` has its state.
    """
    with stop_signals(" before the first iteration"):
        cfg = read_settings(args)
        setup_multi_processes(cfg)
        torch.backends.cudnn.benchmark = bool(cfg.get("cudnn_benchmark"))
        ranks = join_ranks(args, cfg)
        try:
            with peer_errors(), ExitStack() as stack:
                run_joined(args, cfg, ranks, stack)
        except Stopped:
            dist.destroy()
            raise
    dist.destroy()


def run_joined(args: Namespace, cfg: Config, ranks: Ranks, stack: ExitStack) -> None:
    """Run the training of a command line on a rank that has joined the others.

    Args:
        args: The arguments of the command line.
        cfg: The config with these arguments applied.
        ranks: The role of this process.
        stack: It holds the lock of the work dir.

    Raises:
        UserError: See the single steps.
    """
    # What this rank finds on its node is checked here, so that the others learn of an error.
    with shared_errors():
        open_work_dir(cfg.work_dir)
        if dist.is_main():
            stack.enter_context(only_training(cfg.work_dir))
        choose_checkpoint(args, cfg)
        if not may_replace(args, cfg):
            refuse_other_run(cfg.work_dir)
    resumed = read_checkpoint(cfg, "resume_from")
    if cfg.get("seed") is None and resumed is not None:  # a resumed run continues with its own
        cfg.seed = meta_of(resumed).get("seed")
    logger, timestamp = open_log(cfg)
    with shared_errors():
        own_data.resolve(cfg, folder=cfg.work_dir)
    with shared_errors(), config_errors("data"):
        apply_start_input(cfg, logger)
    auto = derive_settings(args, cfg, resumed, logger)
    meta = {**describe_run(args, cfg, logger), **auto}
    if ranks.note:
        logger.info(ranks.note)
    deterministic = bool(args.deterministic or cfg.get("deterministic"))
    differ = cfg.get("diff_seed") if args.diff_seed is None else args.diff_seed
    cfg.seed = meta["seed"] = seed_everything(cfg.get("seed"), deterministic, bool(differ))
    logger.info("seed: %d, deterministic: %s", cfg.seed, deterministic)
    with shared_errors(), config_errors("data"), rng_untouched():
        datasets = build_datasets(cfg)
    at_start = classes_at_start(classes_of_model(cfg, datasets[0]))
    with shared_errors(), config_errors("model"), at_start:
        model = build_model(cfg)
    meta["CLASSES"] = getattr(datasets[0], "CLASSES", None)
    if differ is None:
        set_rank_seed(cfg.seed)  # after the weights, which all ranks have drawn alike
    # A refused training leaves the config of the work dir's run as it is.
    start = partial(dump_config, cfg.work_dir, meta["config"], args.config)
    facts = (timestamp, meta, resumed, start, bool(getattr(args, "check", False)))
    train_model(model, datasets, cfg, ranks.distributed, *facts)


def derive_settings(
    args: Namespace, cfg: Config, resumed: Mapping[str, Any] | None, logger: logging.Logger
) -> dict[str, Any]:
    """Set what ``auto_settings`` derives from the data, and return it for the meta data.

    Raises:
        UserError: The data can't be read, or ``auto_settings`` has an unknown name.
    """
    if not cfg.get("auto_settings"):
        return {}
    with shared_errors(), config_errors("data"), rng_untouched():
        dataset = build_dataset(cfg.data.train)
    values = apply_auto_settings(cfg, dataset, args.cfg_options, resumed, logger)
    return {"auto_settings": values}


def read_settings(args: Namespace) -> Config:
    """Return the config with the options of the command line applied."""
    cfg = load_config(args.config, args.cfg_options)
    check_complete(cfg, args.config)
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or work_dir_of(args.config)
    if args.seed is not None:
        cfg.seed = args.seed
    if getattr(args, "force_resume", False):
        cfg.force_resume = True
    if getattr(args, "no_check_files", False):
        cfg.check_files = False
    if getattr(args, "partial", False):
        cfg.load_partial = True
    if getattr(args, "auto", False):
        cfg.auto_settings = cfg.get("auto_settings") or True
    return cfg


def choose_checkpoint(args: Namespace, cfg: Config) -> None:
    """Set ``cfg.resume_from``, and check that the files exist that the config names."""
    own = checkpoint_of_job(cfg.work_dir)
    if own is not None:
        cfg.resume_from = own
    elif args.resume_from is not None:
        cfg.resume_from = args.resume_from
    elif args.auto_resume or cfg.get("auto_resume"):
        cfg.resume_from = latest_checkpoint(cfg.work_dir)
    check_paths(cfg)


def checkpoint_of_job(work_dir: str) -> str | None:
    """Return the newest checkpoint for a process that its launcher has started again, else None.

    ``tools/slurm_train.sh`` says so by ``MMSELFSUP_CONTINUE=1``. After a restart by torchrun, a
    file counts if it was written since torchrun, the parent process, started: an earlier run may
    have left others in the folder.
    """
    if os.environ.get("MMSELFSUP_CONTINUE") == "1":
        return latest_checkpoint(work_dir)
    if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        return None
    path, seconds = latest_checkpoint(work_dir), seconds_since_start(os.getppid())
    if path is None or seconds is None or os.path.getmtime(path) < time.time() - seconds:
        return None
    return path


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


def describe_run(args: Namespace, cfg: Config, logger: Any) -> dict[str, Any]:
    """Log the environment and the config, and return the facts that checkpoints store."""
    env = "\n".join(f"{name}: {value}" for name, value in collect_env().items())
    line = "-" * 60
    text = config_text(cfg._cfg_dict)
    with file_only():
        logger.info("Environment:\n%s\n%s\n%s", line, env, line)
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
    with file_only():
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
    for dataset in datasets[1:]:
        use_classes(
            dataset,
            getattr(datasets[0], "CLASSES", None),
            "a data set of the workflow",
            "the first",
        )
    return datasets
