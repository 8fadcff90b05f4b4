"""What drives the training: runners, hooks, optimizers, checkpoints."""

from . import hooks, optimizer
from .hooks import (
    CheckpointHook,
    DistOptimizerHook,
    EvalHook,
    GradAccumFp16OptimizerHook,
    LogStatsHook,
    ProgressBarHook,
    ViewsImageHook,
    register_default_hooks,
)
from .optimizer import (
    LARS,
    DefaultOptimizerConstructor,
    TransformerFinetuneConstructor,
    build_optimizer,
)
from .runner import EpochBasedRunner, IterBasedRunner, TensorLogBuffer

__all__ = [
    "LARS",
    "CheckpointHook",
    "DefaultOptimizerConstructor",
    "DistOptimizerHook",
    "EpochBasedRunner",
    "EvalHook",
    "GradAccumFp16OptimizerHook",
    "IterBasedRunner",
    "LogStatsHook",
    "ProgressBarHook",
    "TensorLogBuffer",
    "TransformerFinetuneConstructor",
    "ViewsImageHook",
    "build_optimizer",
    "hooks",
    "optimizer",
    "register_default_hooks",
]
