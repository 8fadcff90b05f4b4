"""The formats of what goes into a network and comes out of it: views, labels, features.

A batch holds views and labels as the multi-view and pretext data sets make them. Features are one
entry for each stage of a backbone, and an entry is one of

- a map [N, C, H, W], as convolutional networks and Swin give it;
- a map and a class token [N, C], as mmcls's vision transformers give it;
- tokens [N, L, C], one for each place, row by row, with or without a class token in front;
- a vector [N, C].

``spatial_map`` and ``pooled`` know them. Letters: N images of this process, P patches or
rotations of an image, C channels, H, W size of an image or map, L tokens.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from math import isqrt
from typing import Any

import torch
import torch.nn.functional as F
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


def image_and_mask(img: Sequence[Tensor] | Tensor, owner: object) -> tuple[Tensor, Tensor]:
    """Return images and their masks in a batch's ``img``.

    Args:
        img: Images [N, C, H, W], and masks of their patches [N, rows, columns].
        owner: The algorithm; the error names its class.

    Raises:
        ArgumentError: ``img`` is something else.
    """
    if isinstance(img, Tensor) or len(img) != 2 or img[0].ndim != 4 or img[1].ndim != 3:
        got = [list(x.shape) for x in ([img] if isinstance(img, Tensor) else img)]
        raise ArgumentError(
            f"{type(owner).__name__} takes images [N, C, H, W] and masks [N, rows, columns], got "
            f"{got}: put a mask generator at the end of the pipeline"
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


def whole_image(features: Any, owner: object) -> Tensor:
    """Return the single entry of ``features`` as necks and heads of whole images take it.

    Args:
        features: The output of a backbone, in any of its forms; also a tensor outside of a list.
        owner: The module that needs a single entry; the error names its class.

    Returns:
        A map [N, C, H, W], which is left to be pooled, or a vector [N, C]: the class token of a
        transformer where there is one, the mean of its tokens otherwise.

    Raises:
        ArgumentError: There are several entries, or tokens that do not fill a square.
    """
    feature = features if isinstance(features, Tensor) else only_feature(features, owner)
    return feature if isinstance(feature, Tensor) and feature.ndim == 4 else pooled(feature)


def several_views(img: Any, owner: object, advice: str) -> list[Tensor]:
    """Return the views in a batch's ``img``, two or more, the images of each [N, C, H, W].

    Args:
        img: What the data set gave.
        owner: The algorithm; the message names its class.
        advice: The option of ``MultiViewDataset`` that suits it, such as ``num_views=[4]``.

    Raises:
        ArgumentError: There are fewer than two views.
    """
    if not isinstance(img, list | tuple) or len(img) < 2:
        raise ArgumentError(
            f"{type(owner).__name__} needs two or more views of each image: give the data set "
            f"{advice}"
        )
    return list(img)


def spatial_map(feature: Any) -> Tensor:
    """Return the features of one stage as a map [N, C, H, W], without the class token.

    Args:
        feature: Features of one stage, an entry of what a backbone returns.

    Raises:
        ArgumentError: It has no places: a vector, or tokens that do not fill a square.
    """
    if isinstance(feature, list | tuple):  # (map, class token)
        return spatial_map(feature[0])
    if feature.ndim == 4:
        return feature
    if feature.ndim != 3:
        raise ArgumentError(f"features {list(feature.shape)} are no map and no tokens of places")
    side, has_class_token = _grid_of(feature)
    places = feature[:, 1:] if has_class_token else feature  # [N, H*W, C]
    return places.transpose(1, 2).unflatten(2, (side, side))


def pooled(feature: Any) -> Tensor:
    """Return the features of one stage as one vector per image, [N, C].

    It is the class token, where there is one: a vision transformer is trained on it. Otherwise it
    is the mean over the places.

    Args:
        feature: Features of one stage, an entry of what a backbone returns.

    Raises:
        ArgumentError: Tokens that do not fill a square: whether the first is a class token is
            unknown.
    """
    if isinstance(feature, list | tuple):  # (map, class token)
        return feature[1]
    if feature.ndim == 4:
        return F.adaptive_avg_pool2d(feature, 1).flatten(1)
    if feature.ndim == 3:
        return feature[:, 0] if _grid_of(feature)[1] else feature.mean(dim=1)
    return feature.flatten(1)


def forward_by_size(function: Callable[[Tensor], Any], views: Sequence[Tensor]) -> list[Any]:
    """Call a network once for consecutive views of one size, joined along the batch.

    Batch normalisation then uses the statistics of all views of a size, as in Caron et al. 2020
    (SwAV), section 3.2. The order of the views stays.

    Args:
        function: A function of images [M, C, S, S] with a side of S pixels; M is N times the number
            of views of that size.
        views: Images of each view, [N, C, S, S].

    Returns:
        The results of the function, one entry for each size.
    """
    # ``groupby`` joins consecutive views only, which keeps their order.
    groups = [list(group) for _, group in groupby(views, key=lambda view: view.shape[-2:])]
    return [function(torch.cat(group)) for group in groups]


def _grid_of(tokens: Tensor) -> tuple[int, bool]:
    """Return the side of the square of tokens [N, L, C], and whether a class token is in front.

    L and L - 1 are never both squares, but for L = 1, a single place.

    Raises:
        ArgumentError: Neither is a square.
    """
    num_tokens = tokens.shape[1]
    for num_places in (num_tokens, num_tokens - 1):
        side = isqrt(num_places)
        if side and side**2 == num_places:
            return side, num_places < num_tokens
    raise ArgumentError(
        f"{num_tokens} tokens fill no square, with or without a class token: let the backbone "
        "return a map [N, C, H, W]"
    )
