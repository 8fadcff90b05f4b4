"""Train a model on data sets as a config says; the steps stand in the order they are taken."""

import copy
import inspect
import logging
from collections.abc import Sequence
from typing import Any

from mmcv import Config
from mmcv.runner import HOOKS, BaseRunner, build_runner
from mmcv.utils import build_from_cfg
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from mmselfsup.core import build_optimizer
from mmselfsup.datasets import build_dataset
from mmselfsup.utils import dist
from mmselfsup.utils.device import default_device
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger
from mmselfsup.utils.seed import init_random_seed, set_random_seed
from mmselfsup.utils.test_helper import multi_gpu_test

from .loaders import build_eval_loader, build_train_loaders
from .one_line_errors import config_errors, worker_errors

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
        model: an algorithm with initialised weights, on any device.
        dataset: a data set, or one for each entry of ``cfg.workflow``.
        cfg: the config; it is not changed.
        distributed: share the work out over the ranks of the process group.
        timestamp: names the JSON log, so that it stands beside the text log.
        meta: what a checkpoint should know about the run (config, seed, environment).

    Returns:
        The runner after its last epoch.

    Raises:
        UserError: data, config and checkpoint don't fit together, or the loss is not finite.
    """
    logger = get_root_logger(log_level=cfg.get("log_level", "INFO"))
    datasets = list(dataset) if isinstance(dataset, (list, tuple)) else [dataset]
    loaders = build_train_loaders(datasets, cfg, distributed)
    model = wrap_model(model, distributed, cfg.get("find_unused_parameters", False))
    with config_errors("optimizer"):
        optimizer = build_optimizer(model, cfg.optimizer)
    with config_errors("runner"):
        runner = make_runner(model, optimizer, cfg, logger, timestamp, meta)
    with config_errors("hooks"):
        register_hooks(runner, cfg, loaders, distributed)
    load_weights_or_resume(runner, cfg)
    with worker_errors():
        runner.run(loaders, [tuple(entry) for entry in cfg.get("workflow", [("train", 1)])])
    return runner


def wrap_model(
    model: nn.Module, distributed: bool, find_unused_parameters: bool = False
) -> nn.Module:
    """Move the model to this process's device; with several ranks, let them share gradients."""
    device = default_device()
    model = model.to(device)
    trains = any(p.requires_grad for p in model.parameters())
    if not distributed or dist.get_world_size() == 1 or not trains:
        return model
    return DistributedDataParallel(
        model,
        device_ids=None if device.type == "cpu" else [device.index],
        broadcast_buffers=False,
        find_unused_parameters=find_unused_parameters,
    )


def make_runner(
    model: nn.Module,
    optimizer: Optimizer,
    cfg: Config,
    logger: logging.Logger,
    timestamp: str | None,
    meta: dict[str, Any] | None,
) -> BaseRunner:
    """The runner that ``cfg.runner`` names."""
    parts = dict(
        model=model, optimizer=optimizer, work_dir=cfg.get("work_dir"), logger=logger, meta=meta
    )
    runner_cfg = cfg.get("runner") or dict(type="EpochBasedRunner", max_epochs=cfg.total_epochs)
    runner = build_runner(runner_cfg, default_args=parts)
    if timestamp is not None:
        runner.timestamp = timestamp
    return runner


def register_hooks(
    runner: BaseRunner, cfg: Config, loaders: Sequence[Any], distributed: bool
) -> None:
    """Register mmcv's hooks, the hooks of the config, and the evaluation, in this order."""
    cfg = copy.deepcopy(cfg)  # registering takes keys out
    runner.register_training_hooks(
        lr_config=cfg.get("lr_config"),
        optimizer_config=optimizer_hook_config(cfg, distributed),
        checkpoint_config=cfg.get("checkpoint_config"),
        log_config=cfg.get("log_config"),
        momentum_config=cfg.get("momentum_config"),
        timer_config=cfg.get("timer", dict(type="IterTimerHook")),
    )
    for hook_cfg in cfg.get("custom_hooks") or []:
        register_custom_hook(runner, hook_cfg, loaders, distributed)
    if cfg.get("evaluation"):
        if cfg.data.get("val") is None:
            raise UserError("evaluation needs a data set: set data.val")
        loader = build_eval_loader(build_dataset(cfg.data.val), cfg, "val", distributed)
        by_epoch = "Iter" not in type(runner).__name__
        options = {"by_epoch": by_epoch, "test_fn": multi_gpu_test, **cfg.evaluation}
        runner.register_hook(HOOKS.get("EvalHook")(loader, **options), priority="LOW")


def optimizer_hook_config(cfg: Config, distributed: bool) -> dict[str, Any]:
    """The optimizer hook: half precision where ``fp16`` is set, ours unless another is named."""
    config = dict(cfg.get("optimizer_config") or {})
    if cfg.get("fp16") is not None:
        config.setdefault("type", "GradAccumFp16OptimizerHook")
        return {**config, **cfg.fp16, "distributed": distributed}
    return {"type": "DistOptimizerHook", **config}


def register_custom_hook(
    runner: BaseRunner, hook_cfg: Any, loaders: Sequence[Any], distributed: bool
) -> None:
    """Register a hook of ``custom_hooks``; it gets the loaders if its constructor asks for them."""
    if not isinstance(hook_cfg, dict):
        runner.register_hook(hook_cfg)
        return
    hook_cfg = dict(hook_cfg)
    priority = hook_cfg.pop("priority", "NORMAL")
    hook_type = hook_cfg.get("type")
    hook_class = HOOKS.get(hook_type) if isinstance(hook_type, str) else hook_type
    offered = {"dist_mode": distributed, "data_loaders": list(loaders)}
    if hook_class is not None:
        parameters = inspect.signature(hook_class).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            names = {p.name for p in parameters}
            offered = {name: value for name, value in offered.items() if name in names}
    runner.register_hook(build_from_cfg(hook_cfg, HOOKS, offered), priority=priority)


def load_weights_or_resume(runner: BaseRunner, cfg: Config) -> None:
    """Go on from ``resume_from``, else start from the weights in ``load_from``."""
    if cfg.get("resume_from"):
        runner.resume(cfg.resume_from)
    elif cfg.get("load_from"):
        runner.load_checkpoint(cfg.load_from)
