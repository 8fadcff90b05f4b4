"""Runners: mmcv's loops without their pauses, under mmcv's names."""

from .epoch_based_runner import EpochBasedRunner
from .iter_based_runner import IterBasedRunner, IterLoader
from .log_buffer import TensorLogBuffer

__all__ = ["EpochBasedRunner", "IterBasedRunner", "IterLoader", "TensorLogBuffer"]
