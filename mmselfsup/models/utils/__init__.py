"""Functions and layers that several modules use: queues, target updates, pooling, precision."""

from .accuracy import Accuracy, accuracy
from .cae_blocks import CAETransformerRegressorLayer
from .dall_e import Encoder
from .ema import copy_to_targets, update_targets
from .extract_process import ExtractProcess, MultiExtractProcess
from .gather_layer import GatherLayer
from .hog_layer import HOGLayerC
from .knn_classifier import knn_classifier
from .multi_pooling import MultiPooling
from .multi_prototypes import MultiPrototypes
from .neighbour_queue import NeighbourQueue
from .position_embedding import build_2d_sincos_position_embedding
from .precision import full_precision, mixed_precision, to_float32
from .queue import MAX_QUEUE_LEN, enqueue, fit_queue_len, new_queue, push_newest
from .res_layer import ResLayer
from .res_layer_extra_norm import ResLayerExtraNorm
from .sobel import Sobel
from .sync_bn import SyncBatchNorm
from .transformer_blocks import (
    MultiheadAttention,
    MultiheadAttentionWithRPE,
    TransformerEncoderLayer,
)
from .views import (
    forward_by_size,
    image_and_mask,
    only_feature,
    pooled,
    several_views,
    spatial_map,
    two_views,
    whole_image,
)

__all__ = [
    "MAX_QUEUE_LEN",
    "Accuracy",
    "CAETransformerRegressorLayer",
    "Encoder",
    "ExtractProcess",
    "GatherLayer",
    "HOGLayerC",
    "MultiExtractProcess",
    "MultiPooling",
    "MultiPrototypes",
    "MultiheadAttention",
    "MultiheadAttentionWithRPE",
    "NeighbourQueue",
    "ResLayer",
    "ResLayerExtraNorm",
    "Sobel",
    "SyncBatchNorm",
    "TransformerEncoderLayer",
    "accuracy",
    "build_2d_sincos_position_embedding",
    "copy_to_targets",
    "enqueue",
    "fit_queue_len",
    "forward_by_size",
    "full_precision",
    "image_and_mask",
    "knn_classifier",
    "mixed_precision",
    "new_queue",
    "only_feature",
    "pooled",
    "push_newest",
    "several_views",
    "spatial_map",
    "to_float32",
    "two_views",
    "update_targets",
    "whole_image",
]
