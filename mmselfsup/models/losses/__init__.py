"""Loss formulas as pure functions.

Under mixed precision they compute in float32 (see ``full_precision``); float64 inputs stay float64.
All tensors of a call must be on one device.
"""

from .classification import (
    effective_number_weights,
    focal_loss,
    inverse_frequency_weights,
    label_shares,
    ldam_loss,
    ldam_margins,
    log_prior,
    logit_adjusted_cross_entropy,
    weighted_cross_entropy,
)
from .cluster_prior import power_law_prior, prior_divergence
from .contrastive import (
    batch_info_nce,
    check_temperature,
    decoupled_info_nce,
    dense_matches,
    drawn_similarities,
    info_nce,
    mises_fisher_weights,
    pair_similarities,
    queue_similarities,
    sampled_similarities,
    supervised_contrastive,
    take_places,
)
from .cosine import negative_cosine
from .cross_correlation import redundancy_loss, redundancy_of_samples
from .distillation import cosine_distance, map_distance, similarity_distillation
from .inter_image import angular_margin, cosine_margin, draw_negatives, draw_positives
from .isotropic_gaussian import (
    centre_and_scale,
    centroid_error,
    epps_pulley,
    random_directions,
    sliced_wasserstein,
)
from .koleo import koleo
from .local_matching import cell_positions, nearest_pairs
from .masked_tokens import masked_token_prediction
from .reconstruction import (
    latent_error,
    masked_patch_error,
    masked_pixel_distance,
    patch_statistics,
)
from .swapped_prediction import assigned_prediction, swapped_prediction
from .variance_covariance import correlation_penalty, covariance_penalty, variance_hinge

__all__ = [
    "angular_margin",
    "assigned_prediction",
    "batch_info_nce",
    "cell_positions",
    "centre_and_scale",
    "centroid_error",
    "check_temperature",
    "correlation_penalty",
    "cosine_distance",
    "cosine_margin",
    "covariance_penalty",
    "decoupled_info_nce",
    "dense_matches",
    "draw_negatives",
    "draw_positives",
    "drawn_similarities",
    "effective_number_weights",
    "epps_pulley",
    "focal_loss",
    "info_nce",
    "inverse_frequency_weights",
    "koleo",
    "label_shares",
    "latent_error",
    "ldam_loss",
    "ldam_margins",
    "log_prior",
    "logit_adjusted_cross_entropy",
    "map_distance",
    "masked_patch_error",
    "masked_pixel_distance",
    "masked_token_prediction",
    "mises_fisher_weights",
    "nearest_pairs",
    "negative_cosine",
    "pair_similarities",
    "patch_statistics",
    "power_law_prior",
    "prior_divergence",
    "queue_similarities",
    "random_directions",
    "redundancy_loss",
    "redundancy_of_samples",
    "sampled_similarities",
    "similarity_distillation",
    "sliced_wasserstein",
    "supervised_contrastive",
    "swapped_prediction",
    "take_places",
    "variance_hinge",
    "weighted_cross_entropy",
]
