"""The hooks of every training, which no config needs to name."""

from collections.abc import Mapping
from typing import Any

from mmcv.runner import HOOKS

from .finetune_hooks import TrainingProgressHook, counts_epochs
from .freed_memory_hook import FreedMemoryHook
from .logging_hooks import LogStatsHook, ProgressBarHook
from .throughput_hooks import DeviceIdleHook, SpeedAdviceHook
from .views_image_hook import ViewsImageHook

_BEFORE_LOGGERS = 89  # mmcv's loggers have VERY_LOW, 90


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
