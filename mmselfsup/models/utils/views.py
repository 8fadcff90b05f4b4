"""The views and labels of a batch, in the format of the multi-view and pretext data sets.

Letters: N images of this process, P patches or rotations of an image, C channels, H, W size.
"""

from collections.abc import Sequence

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
