"""Registration of the hooks of a training: of its config and of every one, always in one order."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv import Config
from mmcv.runner import HOOKS, BaseRunner
from mmcv.utils import build_from_cfg

from mmselfsup.core.adaptation import Adaptation
from mmselfsup.core.hooks import (
    AdaptHook,
    DeviceIdleHook,
    EvalHook,
    FreedMemoryHook,
    FrozenFeaturesHook,
    LogStatsHook,
    ProgressBarHook,
    ReconstructionImageHook,
    SpeedAdviceHook,
    StopHook,
    TrainingProgressHook,
    ViewsImageHook,
)
from mmselfsup.core.hooks.finetune_hooks import counts_epochs
from mmselfsup.datasets import build_dataset
from mmselfsup.datasets.class_order import use_classes
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.utils.device import default_device
from mmselfsup.utils.error_context import shared_errors
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.module import unwrap
from mmselfsup.utils.test_helper import multi_gpu_test

from ..preflight.data_info import check_labels, data_size
from ..preflight.evaluation_settings import check_metrics, measured_names, without_effect
from ..preflight.written_folders import check_folders
from .acceleration import amp_dtype

_PARTS = "data.val", "data.train"
_BEFORE_LOGGERS = 89  # mmcv's loggers have VERY_LOW, 90


def register_hooks(
    runner: BaseRunner,
    cfg: Config,
    loaders: Sequence[Any],
    distributed: bool,
    adaptation: Adaptation | None = None,
) -> None:
    """Register mmcv's hooks, those of the config, the evaluation, and ours, in this order."""
    cfg = copy.deepcopy(cfg)  # registering takes keys out
    with shared_errors():
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
        if adaptation is not None:
            register_adaptation(runner, adaptation)
    if cfg.get("evaluation"):
        if cfg.data.get("val") is None:
            raise UserError("evaluation needs a data set: set data.val")
        with shared_errors():  # a node may lack these images
            dataset = build_dataset(cfg.data.val)
            use_classes(dataset, getattr(loaders[0].dataset, "CLASSES", None), *_PARTS)
        loader = build_eval_loader(dataset, cfg, "val", distributed)
        has_unknown = cfg.evaluation.get("unk_threshold") is not None
        check_labels(runner.model, data_size(loader, distributed), "data.val", has_unknown)
        check_evaluation(runner, loader.dataset, cfg)
        options = {"by_epoch": counts_epochs(runner), "test_fn": multi_gpu_test, **cfg.evaluation}
        runner.register_hook(EvalHook(loader, **options), priority="LOW")
    # Loggers write into the work dir; a run by call may have none.
    register_default_hooks(runner, cfg.get("log_config") if runner.work_dir else None)
    if runner.work_dir:  # the last one: what the others do in an iteration is done
        runner.register_hook(StopHook(), priority=StopHook.default_priority)
    with shared_errors():
        check_folders(runner)


def check_evaluation(runner: BaseRunner, dataset: Any, cfg: Config) -> None:
    """Check the settings of the evaluation, and warn of those without effect.

    Raises:
        UserError: A metric that decides something is not measured, or its rule is reversed.
    """
    model: Any = unwrap(runner.model)
    known = not cfg.get("compile")  # which would compile for the size of one image
    names = measured_names(model, dataset, cfg.evaluation) if known else []
    check_metrics(names, cfg.evaluation, runner.hooks)
    classes = getattr(getattr(model, "head", None), "num_classes", None)
    for line in without_effect(cfg.evaluation, dataset, classes):
        runner.logger.warning("%s", line)


def optimizer_hook_config(cfg: Config, distributed: bool) -> dict[str, Any]:
    """Return the config of the optimizer hook: with scaling for float16, ours by default."""
    config = dict(cfg.get("optimizer_config") or {})
    if amp_dtype(cfg.get("amp"), default_device()) is torch.float16:
        scale = cfg.amp.get("loss_scale", "dynamic")
        return {"type": "GradAccumFp16OptimizerHook", "loss_scale": scale, **config}
    if cfg.get("fp16") is not None:
        config.setdefault("type", "GradAccumFp16OptimizerHook")
        return {**config, **cfg.fp16, "distributed": distributed}
    return {"type": "DistOptimizerHook", **config}


def register_custom_hook(
    runner: BaseRunner, hook_cfg: Any, loaders: Sequence[Any], distributed: bool
) -> None:
    """Register a hook of ``custom_hooks``; it gets the loaders if its constructor takes them.

    Its priority is that of the config, otherwise the ``default_priority`` of its class, otherwise
    NORMAL.
    """
    if not isinstance(hook_cfg, dict):
        runner.register_hook(hook_cfg)
        return
    hook_cfg = dict(hook_cfg)
    hook_type = hook_cfg.get("type")
    hook_class = HOOKS.get(hook_type) if isinstance(hook_type, str) else hook_type
    priority = hook_cfg.pop("priority", getattr(hook_class, "default_priority", "NORMAL"))
    # Pass only what the constructor takes: any other argument would be an error.
    offered = {"dist_mode": distributed, "data_loaders": list(loaders)}
    if hook_class is not None:
        parameters = inspect.signature(hook_class).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            names = {p.name for p in parameters}
            offered = {name: value for name, value in offered.items() if name in names}
    runner.register_hook(build_from_cfg(hook_cfg, HOOKS, offered), priority=priority)


def register_adaptation(runner: BaseRunner, adaptation: Adaptation) -> None:
    """Register the hook of an adaptation, and a monitor that measures its start weights.

    The monitor is left out where the config has its own, or says ``adapt.monitor=False``.
    """
    runner.register_hook(AdaptHook(adaptation))
    options = adaptation.settings.monitor
    if options is False or any(isinstance(hook, FrozenFeaturesHook) for hook in runner.hooks):
        return
    defaults = {} if counts_epochs(runner) else {"by_epoch": False, "interval": 1000}
    monitor = {"type": "FrozenFeaturesHook", **defaults, **(options or {})}
    priority = monitor.pop("priority", "LOW")
    runner.register_hook(build_from_cfg(monitor, HOOKS), priority=priority)


def register_default_hooks(runner: Any, log_config: Mapping[str, Any] | None = None) -> None:
    """Add the hooks of every training: memory, progress bar, statistics, advice, TensorBoard.

    Call this after the loggers of the config are registered. A hook that the config names is not
    added a second time.

    Args:
        runner: The runner of the training.
        log_config: That of the config, ``interval`` and ``hooks``; None for a run without loggers.
    """
    # By class: a hook that the config names by its name of 0.x or another alias counts as well.
    present = {type(hook).__name__ for hook in runner.hooks}
    if "ViewsImageHook" not in present:
        runner.register_hook(ViewsImageHook())
    reconstructs = hasattr(unwrap(runner.model), "reconstruct")
    if reconstructs and "ReconstructionImageHook" not in present:
        runner.register_hook(ReconstructionImageHook())
    if "TrainingProgressHook" not in present:
        runner.register_hook(TrainingProgressHook())
    if "FreedMemoryHook" not in present:
        runner.register_hook(FreedMemoryHook(), priority=FreedMemoryHook.default_priority)
    interval = (log_config or {}).get("interval", 10)
    options = dict(interval=interval, by_epoch=counts_epochs(runner))
    if log_config and "DeviceIdleHook" not in present:
        runner.register_hook(DeviceIdleHook(), priority=DeviceIdleHook.default_priority)
    if log_config and "LogStatsHook" not in present:
        runner.register_hook(LogStatsHook(**options), priority=_BEFORE_LOGGERS)
    if log_config and "SpeedAdviceHook" not in present:
        runner.register_hook(SpeedAdviceHook(), priority=_BEFORE_LOGGERS)
    if "ProgressBarHook" not in present:  # after the statistics, which compute the mean loss
        runner.register_hook(ProgressBarHook(), priority=_BEFORE_LOGGERS)
    if log_config and "TensorboardLoggerHook" not in present:
        tensorboard = HOOKS.build(dict(type="TensorboardLoggerHook", **options))
        runner.register_hook(tensorboard, priority="VERY_LOW")
