"""The views of a batch, as multi-view datasets deliver them."""

from collections.abc import Sequence

from torch import Tensor

from ...utils.errors import ArgumentError


def two_views(img: Sequence[Tensor] | Tensor, owner: object) -> tuple[Tensor, Tensor]:
    """The two views [N, C, H, W] in a batch's ``img``.

    Args:
        img: a list of two views.
        owner: the method that wants them; its class is named in the error.

    Raises:
        ArgumentError: a single tensor, or not two views.
    """
    if isinstance(img, Tensor) or len(img) != 2:
        got = f"a tensor {list(img.shape)}" if isinstance(img, Tensor) else len(img)
        raise ArgumentError(
            f"{type(owner).__name__} takes 2 views of each image, got {got}: use MultiViewDataset"
        )
    return img[0], img[1]
