"""Hooks that run around the training loop, one class per file."""

from .byol_hook import BYOLHook
from .checkpoint_hook import CheckpointHook
from .cosine_annealing_hook import StepFixCosineAnnealingLrUpdaterHook
from .deepcluster_hook import DeepClusterHook
from .defaults import register_default_hooks
from .densecl_hook import DenseCLHook
from .device_idle_hook import DeviceIdleHook
from .dist_optimizer_hook import DistOptimizerHook
from .eval_hook import EvalHook
from .fp16_optimizer_hook import GradAccumFp16OptimizerHook
from .freed_memory_hook import FreedMemoryHook
from .frozen_features_hook import FrozenFeaturesHook
from .log_stats_hook import LogStatsHook
from .momentum_update_hook import MomentumUpdateHook
from .odc_hook import ODCHook
from .probe_first_hook import ProbeFirstHook
from .progress_bar_hook import ProgressBarHook
from .simsiam_hook import SimSiamHook
from .speed_advice_hook import SpeedAdviceHook
from .swav_hook import SwAVHook
from .text_logger_hook import TextLoggerHook
from .training_share_hook import TrainingProgressHook, TrainingShareHook
from .views_image_hook import ViewsImageHook
from .weight_average_hook import WeightAverageHook

__all__ = [
    "BYOLHook",
    "CheckpointHook",
    "DeepClusterHook",
    "DenseCLHook",
    "DeviceIdleHook",
    "DistOptimizerHook",
    "EvalHook",
    "FreedMemoryHook",
    "FrozenFeaturesHook",
    "GradAccumFp16OptimizerHook",
    "LogStatsHook",
    "MomentumUpdateHook",
    "ODCHook",
    "ProbeFirstHook",
    "ProgressBarHook",
    "SimSiamHook",
    "SpeedAdviceHook",
    "StepFixCosineAnnealingLrUpdaterHook",
    "SwAVHook",
    "TextLoggerHook",
    "TrainingProgressHook",
    "TrainingShareHook",
    "ViewsImageHook",
    "WeightAverageHook",
    "register_default_hooks",
]
