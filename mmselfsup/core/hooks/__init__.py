"""Hooks: what happens around the training loop. One class a file."""

from .checkpoint_hook import CheckpointHook
from .defaults import register_default_hooks
from .dist_optimizer_hook import DistOptimizerHook
from .eval_hook import EvalHook
from .fp16_optimizer_hook import GradAccumFp16OptimizerHook
from .log_stats_hook import LogStatsHook
from .progress_bar_hook import ProgressBarHook
from .text_logger_hook import TextLoggerHook
from .views_image_hook import ViewsImageHook

__all__ = [
    "CheckpointHook",
    "DistOptimizerHook",
    "EvalHook",
    "GradAccumFp16OptimizerHook",
    "LogStatsHook",
    "ProgressBarHook",
    "TextLoggerHook",
    "ViewsImageHook",
    "register_default_hooks",
]
