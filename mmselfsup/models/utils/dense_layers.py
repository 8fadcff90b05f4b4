"""A small fully connected network."""

from collections.abc import Sequence
from itertools import pairwise

from mmcv.cnn import build_norm_layer
from torch import nn


def dense_layers(widths: Sequence[int], norm_cfg: dict, dropout: float) -> nn.Sequential:
    """Linear layers, each followed by a normalisation, ReLU and dropout.

    Args:
        widths: Of the input [N, widths[0]] and of the output of each layer; the input alone gives
            no layer, so the identity.
        norm_cfg: Config of the normalisation.
        dropout: Share of the outputs that are zero in training, 0 to 1.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        norm = build_norm_layer(norm_cfg, after)[1]
        layers += [nn.Linear(before, after), norm, nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
