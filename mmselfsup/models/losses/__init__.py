"""Loss formulas as pure functions.

Under mixed precision they compute in float32 (see ``full_precision``); float64 inputs stay float64.
All tensors of a call must be on one device.
"""

from .class_losses import (
    focal_loss,
    label_shares,
    ldam_loss,
    logit_adjusted_cross_entropy,
    weighted_cross_entropy,
)
from .class_weights import (
    effective_number_weights,
    inverse_frequency_weights,
    ldam_margins,
    log_prior,
)
from .cosine import negative_cosine
from .cross_correlation import redundancy_loss
from .dense_match import dense_matches, take_places
from .info_nce import info_nce
from .nt_xent import pair_similarities
from .queue_nce import queue_similarities
from .sampled_similarities import sampled_similarities
from .swapped_prediction import swapped_prediction

__all__ = [
    "dense_matches",
    "effective_number_weights",
    "focal_loss",
    "info_nce",
    "inverse_frequency_weights",
    "label_shares",
    "ldam_loss",
    "ldam_margins",
    "log_prior",
    "logit_adjusted_cross_entropy",
    "negative_cosine",
    "pair_similarities",
    "queue_similarities",
    "redundancy_loss",
    "sampled_similarities",
    "swapped_prediction",
    "take_places",
    "weighted_cross_entropy",
]
