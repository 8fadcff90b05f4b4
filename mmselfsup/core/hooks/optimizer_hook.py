"""The optimizer hooks under their module name of MMSelfSup 0.x."""

from .dist_optimizer_hook import DistOptimizerHook
from .fp16_optimizer_hook import GradAccumFp16OptimizerHook

__all__ = ["DistOptimizerHook", "GradAccumFp16OptimizerHook"]
