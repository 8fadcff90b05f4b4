"""Evaluation of frozen features: k-NN, linear probe and metrics of collapse."""

from .embedding import PERPLEXITY, embed
from .kept import (
    Origin,
    check_features_path,
    dataset_digest,
    read_features,
    weights_digest,
    write_features,
)
from .knn import check_neighbours, evaluate_knn, knn_scores
from .labelled import LabelledFeatures, check_labels
from .linear_probe import DEFAULT_C, choose_penalty, evaluate_probe, probe_scores
from .nearest import nearest

__all__ = [
    "DEFAULT_C",
    "PERPLEXITY",
    "LabelledFeatures",
    "Origin",
    "check_features_path",
    "check_labels",
    "check_neighbours",
    "choose_penalty",
    "dataset_digest",
    "embed",
    "evaluate_knn",
    "evaluate_probe",
    "knn_scores",
    "nearest",
    "probe_scores",
    "read_features",
    "weights_digest",
    "write_features",
]
