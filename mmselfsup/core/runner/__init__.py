"""Runners: mmcv's loops without its pauses, registered under mmcv's names."""

from .epoch_based_runner import EpochBasedRunner
from .iter_based_runner import IterBasedRunner, IterLoader
from .log_buffer import NonFiniteLossError, TensorLogBuffer

__all__ = [
    "EpochBasedRunner",
    "IterBasedRunner",
    "IterLoader",
    "NonFiniteLossError",
    "TensorLogBuffer",
]
