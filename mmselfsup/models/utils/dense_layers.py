"""A small fully connected network. Letters: N batch."""

from collections.abc import Sequence
from itertools import pairwise

from mmcv.cnn import build_norm_layer
from torch import nn


def dense_layers(widths: Sequence[int], norm_cfg: dict, dropout: float) -> nn.Sequential:
    """Return linear layers, each followed by a normalisation, ReLU and dropout.

    Args:
        widths: Widths of the input and of each layer's output; with one entry, the input's, the
            network is the identity.
        norm_cfg: Config of the normalisation.
        dropout: Probability of setting an output to zero in training, 0 to 1.

    Returns:
        A network from [N, widths[0]] to [N, widths[-1]].
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        norm = build_norm_layer(norm_cfg, after)[1]
        layers += [nn.Linear(before, after), norm, nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
