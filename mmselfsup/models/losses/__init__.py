"""Loss formulas as pure functions."""

from .cosine import negative_cosine
from .cross_correlation import redundancy_loss
from .dense_match import dense_matches, take_places
from .info_nce import info_nce
from .nt_xent import pair_similarities
from .queue_nce import queue_similarities
from .swapped_prediction import swapped_prediction

__all__ = [
    "dense_matches",
    "info_nce",
    "negative_cosine",
    "pair_similarities",
    "queue_similarities",
    "redundancy_loss",
    "swapped_prediction",
    "take_places",
]
