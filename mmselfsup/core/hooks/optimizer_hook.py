"""The optimizer hooks under the module name they had in MMSelfSup 0.x."""

from .dist_optimizer_hook import DistOptimizerHook
from .fp16_optimizer_hook import GradAccumFp16OptimizerHook

__all__ = ["DistOptimizerHook", "GradAccumFp16OptimizerHook"]
