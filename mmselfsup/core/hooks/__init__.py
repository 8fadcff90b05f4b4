"""Hooks that run around the training loop, one concept a file."""

from .adapt_hook import AdaptHook
from .byol_hook import BYOLHook
from .checkpoint_hook import CheckpointHook
from .cosine_annealing_hook import StepFixCosineAnnealingLrUpdaterHook
from .deepcluster_hook import DeepClusterHook
from .deepclusterv2_hook import DeepClusterV2Hook
from .densecl_hook import DenseCLHook
from .eval_hook import EvalHook
from .finetune_hooks import ProbeFirstHook, TrainingProgressHook, TrainingShareHook
from .freed_memory_hook import FreedMemoryHook
from .frozen_features_hook import FrozenFeaturesHook
from .interclr_hook import InterCLRHook
from .logging_hooks import (
    LogStatsHook,
    ProgressBarHook,
    TensorboardLoggerHook,
    TextLoggerHook,
)
from .momentum_update_hook import MomentumUpdateHook
from .odc_hook import ODCHook
from .optimizer_hook import DistOptimizerHook, GradAccumFp16OptimizerHook
from .plateau_hooks import EarlyStoppingHook, ReduceLROnPlateauLrUpdaterHook
from .reconstruction_hook import ReconstructionImageHook
from .schedule_hook import ScheduleHook
from .simsiam_hook import SimSiamHook
from .smog_hook import SMoGHook
from .stop_hook import StopHook
from .swav_hook import SwAVHook
from .throughput_hooks import DeviceIdleHook, SpeedAdviceHook
from .views_image_hook import ViewsImageHook
from .weight_average_hook import WeightAverageHook

__all__ = [
    "AdaptHook",
    "BYOLHook",
    "CheckpointHook",
    "DeepClusterHook",
    "DeepClusterV2Hook",
    "DenseCLHook",
    "DeviceIdleHook",
    "DistOptimizerHook",
    "EarlyStoppingHook",
    "EvalHook",
    "FreedMemoryHook",
    "FrozenFeaturesHook",
    "GradAccumFp16OptimizerHook",
    "InterCLRHook",
    "LogStatsHook",
    "MomentumUpdateHook",
    "ODCHook",
    "ProbeFirstHook",
    "ProgressBarHook",
    "ReconstructionImageHook",
    "ReduceLROnPlateauLrUpdaterHook",
    "SMoGHook",
    "ScheduleHook",
    "SimSiamHook",
    "SpeedAdviceHook",
    "StepFixCosineAnnealingLrUpdaterHook",
    "StopHook",
    "SwAVHook",
    "TensorboardLoggerHook",
    "TextLoggerHook",
    "TrainingProgressHook",
    "TrainingShareHook",
    "ViewsImageHook",
    "WeightAverageHook",
]
