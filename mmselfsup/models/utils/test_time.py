"""Test-time augmentation. Letters: N images, C channels, H, W size of an image, V views."""

from collections.abc import Iterator

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

#: Number of views of each kind.
VIEWS = {"flip": 2, "flips": 4, "dihedral": 8}


def check_augment(kind: str | None) -> None:
    """Check that ``kind`` is a kind of views, or None for no augmentation.

    Raises:
        ArgumentError: The kind is unknown.
    """
    if kind is not None and kind not in VIEWS:
        raise ArgumentError(f"test_cfg.augment must be one of {', '.join(VIEWS)}, got {kind!r}")


def augmented_views(img: Tensor, kind: str) -> Iterator[Tensor]:
    """Yield the views of a batch, the batch itself first.

    Args:
        img: Images [N, C, H, W].
        kind: ``'flip'`` adds the left-right mirror image; ``'flips'`` adds both mirror images and
            the half turn; ``'dihedral'`` is all quarter turns of the image and of its mirror image,
            for images without a natural orientation, such as those of skin.

    Yields:
        V batches [N, C, H, W], or [N, C, W, H] for turns by 90 and 270 degrees.

    Raises:
        ArgumentError: The kind is unknown.
    """
    check_augment(kind)
    if kind != "dihedral":
        yield img
        yield img.flip(-1)
        if kind == "flips":
            yield img.flip(-2)
            yield img.flip((-2, -1))
        return
    for start in (img, img.flip(-1)):
        for turns in range(4):
            yield torch.rot90(start, turns, (-2, -1))
