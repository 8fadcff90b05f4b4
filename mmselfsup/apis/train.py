"""The training of a model on data sets, as a config describes it; steps in their order."""

import inspect
import logging
from typing import Any

import numpy as np
from mmcv import Config
from mmcv.runner import BaseRunner, build_runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from mmselfsup.core import build_optimizer
from mmselfsup.datasets.loader import build_train_loaders
from mmselfsup.utils import dist
from mmselfsup.utils.data_info import DataInfo, fit_to_data
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import config_errors, run_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.seed import init_random_seed, set_random_seed

from .acceleration import accelerate
from .hooks import register_hooks

__all__ = ["init_random_seed", "set_random_seed", "train_model"]


def train_model(
    model: nn.Module,
    dataset: Any,
    cfg: Config,
    distributed: bool = False,
    timestamp: str | None = None,
    meta: dict[str, Any] | None = None,
) -> BaseRunner:
    """Train a model.

    Args:
        model: An algorithm with initialised weights, on any device.
        dataset: A data set, or one for each entry of ``cfg.workflow``.
        cfg: The config; it is not changed.
        distributed: Whether to train on all ranks of the process group.
        timestamp: Name of the JSON log, the same as that of the text log.
        meta: Facts about the run for its checkpoints (config, seed, environment).

    Returns:
        The runner after its last epoch.

    Raises:
        UserError: Data, config and checkpoint don't fit together, or the loss is not finite.
    """
    logger = get_root_logger(log_level=cfg.get("log_level", "INFO"))
    datasets = list(dataset) if isinstance(dataset, (list, tuple)) else [dataset]
    with config_errors("data"):
        loaders = build_train_loaders(datasets, cfg, distributed)
    size = data_size(loaders[0], distributed)
    fit_to_data(model.modules(), size)
    with config_errors("model"):
        accelerate(model, cfg, logger)
    model = wrap_model(model, distributed, cfg.get("find_unused_parameters", False))
    with config_errors("optimizer"):
        optimizer = build_optimizer(model, cfg.optimizer)
    with config_errors("runner"):
        runner = make_runner(model, optimizer, cfg, logger, timestamp, meta)
    with config_errors("hooks"):
        register_hooks(runner, cfg, loaders, distributed)
    fit_to_data(runner.hooks, size)
    load_weights_or_resume(runner, cfg)
    with run_errors():
        runner.run(loaders, [tuple(entry) for entry in cfg.get("workflow", [("train", 1)])])
    return runner


def data_size(loader: Any, distributed: bool) -> DataInfo:
    """Return the number of different images of the training, and of images in one iteration."""
    ranks = dist.get_world_size() if distributed else 1
    labels = getattr(loader.dataset, "gt_labels", None)
    counts = None if labels is None else class_counts(labels)
    unlabelled = 0 if labels is None else int((np.asarray(labels) < 0).sum())
    num_images = getattr(loader.dataset, "num_images", len(loader.dataset))
    if counts is not None:  # a RepeatDataset has its labels as often as it repeats
        counts = tuple(count * num_images // len(loader.dataset) for count in counts)
    return DataInfo(num_images, loader.batch_size * ranks, counts, unlabelled)


def class_counts(labels: Any) -> tuple[int, ...] | None:
    """Return the images per class, from labels [len]; None if an image has no label or several."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or labels.min() < 0:
        return None
    return tuple(np.bincount(labels).tolist())


def wrap_model(
    model: nn.Module, distributed: bool, find_unused_parameters: bool = False
) -> nn.Module:
    """Move the model to this process's device; with several ranks, synchronise their gradients."""
    device = default_device()
    model = model.to(device)
    trains = any(p.requires_grad for p in model.parameters())
    if not distributed or dist.get_world_size() == 1 or not trains:
        return model
    for buffer in model.buffers():  # queues and memory banks start the same on all ranks
        buffer.copy_(dist.broadcast(buffer))
    # Newer versions of PyTorch call the argument ``forward_sync_buffers``.
    names = inspect.signature(DistributedDataParallel).parameters
    sync = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    options: dict[str, Any] = {sync: False}  # running statistics stay each rank's own, as in 0.x
    return DistributedDataParallel(
        model,
        device_ids=None if device.type == "cpu" else [device.index],
        find_unused_parameters=find_unused_parameters,
        gradient_as_bucket_view=True,  # spares a copy of all gradients
        **options,
    )


def make_runner(
    model: nn.Module,
    optimizer: Optimizer,
    cfg: Config,
    logger: logging.Logger,
    timestamp: str | None,
    meta: dict[str, Any] | None,
) -> BaseRunner:
    """Return the runner that ``cfg.runner`` names.

    Raises:
        UserError: It has no epochs or iterations to run.
    """
    parts = dict(
        model=model, optimizer=optimizer, work_dir=cfg.get("work_dir"), logger=logger, meta=meta
    )
    runner_cfg = cfg.get("runner") or dict(type="EpochBasedRunner", max_epochs=cfg.total_epochs)
    for key in ("max_epochs", "max_iters"):
        length = runner_cfg.get(key)
        if length is not None and not (isinstance(length, int) and length > 0):
            raise UserError(f"runner.{key}={length!r}: give a whole number above 0")
    runner = build_runner(runner_cfg, default_args=parts)
    if timestamp is not None:
        runner.timestamp = timestamp
    return runner


def load_weights_or_resume(runner: BaseRunner, cfg: Config) -> None:
    """Resume from ``resume_from``, otherwise start from the weights in ``load_from``.

    A file with a backbone alone fills the online network; the target becomes a copy of it.
    """
    if cfg.get("resume_from"):
        runner.resume(cfg.resume_from)
    elif cfg.get("load_from"):
        report = runner.load_checkpoint(cfg.load_from)
        module: Any = unwrap(runner.model)
        if hasattr(module, "start_targets") and not module.holds_targets(report.matched):
            module.start_targets()
