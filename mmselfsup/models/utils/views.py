"""The views of a batch, as multi-view datasets deliver them."""

from collections.abc import Sequence

from torch import Tensor

from ...utils.errors import ArgumentError


def two_views(img: Sequence[Tensor] | Tensor, owner: object) -> tuple[Tensor, Tensor]:
    """The two views [N, C, H, W] in a batch's ``img``.

    Args:
        img: A list of two views.
        owner: The method that wants them; its class is named in the error.

    Raises:
        ArgumentError: A single tensor, or not two views.
    """
    if isinstance(img, Tensor) or len(img) != 2:
        got = f"a tensor {list(img.shape)}" if isinstance(img, Tensor) else len(img)
        raise ArgumentError(
            f"{type(owner).__name__} takes 2 views of each image, got {got}: use MultiViewDataset"
        )
    return img[0], img[1]


def one_label_each(labels: Tensor, count: int, owner: object) -> Tensor:
    """Labels [N, P] or [N*P] of a pretext task -> [N*P].

    Args:
        labels: What the data set gives.
        count: N*P, the inputs that the network saw.
        owner: The algorithm; its class is named in the error.

    Raises:
        ArgumentError: There is not one label for each input.
    """
    if labels.numel() != count:
        raise ArgumentError(
            f"{type(owner).__name__} takes a label for each of {count} inputs, got labels of the "
            f"shape {tuple(labels.shape)}"
        )
    return labels.flatten()
