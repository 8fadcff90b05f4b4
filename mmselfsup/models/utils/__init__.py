"""Mechanisms that several modules share."""

from .accuracy import Accuracy, accuracy
from .ema import copy_to_targets, update_targets
from .extract_process import ExtractProcess, MultiExtractProcess
from .features import only_feature
from .gather_layer import GatherLayer
from .knn_classifier import knn_classifier
from .multi_pooling import MultiPooling
from .precision import full_precision, mixed_precision
from .queue import enqueue, new_queue
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
    "copy_to_targets",
    "enqueue",
    "full_precision",
    "knn_classifier",
    "mixed_precision",
    "new_queue",
    "only_feature",
    "update_targets",
]
