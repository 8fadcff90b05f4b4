"""Mechanisms that several modules share."""

from .accuracy import Accuracy, accuracy
from .extract_process import ExtractProcess, MultiExtractProcess
from .features import only_feature
from .gather_layer import GatherLayer
from .multi_pooling import MultiPooling
from .precision import full_precision, mixed_precision
from .sobel import Sobel
from .sync_bn import SyncBatchNorm

__all__ = [
    "Accuracy",
    "ExtractProcess",
    "GatherLayer",
    "MultiExtractProcess",
    "MultiPooling",
    "Sobel",
    "SyncBatchNorm",
    "accuracy",
    "full_precision",
    "mixed_precision",
    "only_feature",
]
