"""The views and labels of a batch, in the format of the multi-view and pretext data sets.

The format of features between backbone, neck and head: one entry for each stage.

Views of several sizes: one forward pass for each size.

Caron et al. 2020 (SwAV), section 3.2.

Letters: N images of this process, P patches or rotations of an image, C channels, H, W size, S
side in pixels.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError


def two_views(img: Sequence[Tensor] | Tensor, owner: object) -> tuple[Tensor, Tensor]:
    """Return the two views in a batch's ``img``.

    Args:
        img: A list of two views, each [N, C, H, W].
        owner: The algorithm; the error names its class.

    Raises:
        ArgumentError: ``img`` is a single tensor, or the number of views is not 2.
    """
    if isinstance(img, Tensor) or len(img) != 2:
        got = f"a tensor {list(img.shape)}" if isinstance(img, Tensor) else len(img)
        raise ArgumentError(
            f"{type(owner).__name__} takes 2 views of each image, got {got}: use MultiViewDataset"
        )
    return img[0], img[1]


def one_label_each(labels: Tensor, count: int, owner: object) -> Tensor:
    """Return the labels of a pretext task, flattened to [N*P].

    Args:
        labels: Labels [N, P] or [N*P] (int64).
        count: N*P, the number of inputs of the network.
        owner: The algorithm; the error names its class.

    Raises:
        ArgumentError: The number of labels is not that of the inputs.
    """
    if labels.numel() != count:
        raise ArgumentError(
            f"{type(owner).__name__} takes a label for each of {count} inputs, got labels of the "
            f"shape {tuple(labels.shape)}"
        )
    return labels.flatten()


def only_feature(features: Sequence[Any], owner: object) -> Any:
    """Return the single entry of ``features``.

    Args:
        features: The output of a backbone or neck.
        owner: The module that needs a single entry; the error names its class.

    Raises:
        ArgumentError: The number of entries is not 1.
    """
    if len(features) != 1:
        raise ArgumentError(
            f"{type(owner).__name__} takes the features of one stage, got {len(features)}: give "
            "the backbone a single entry in out_indices"
        )
    return features[0]


def forward_by_size(function: Callable[[Tensor], Any], views: Sequence[Tensor]) -> list[Any]:
    """Call a network once for consecutive views of one size, joined along the batch.

    Batch normalisation then uses the statistics of all views of a size, as in the paper. The order
    of the views stays.

    Args:
        function: A function of images [M, C, S, S], M = N times the number of views of that size.
        views: Images of each view, [N, C, S, S].

    Returns:
        The results of the function, one entry for each size.
    """
    # ``groupby`` joins consecutive views only, which keeps their order.
    groups = [list(group) for _, group in groupby(views, key=lambda view: view.shape[-2:])]
    return [function(torch.cat(group)) for group in groups]
