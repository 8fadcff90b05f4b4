"""Test-time augmentation. Letters: N images, C channels, H, W pixels, V views."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ...utils.errors import ArgumentError

#: Number of views of each kind.
VIEWS = {"flip": 2, "flips": 4, "dihedral": 8}


def check_augment(kind: str | None) -> None:
    """Refuse an unknown kind of views; None is no augmentation.

    Raises:
        ArgumentError: It is unknown.
    """
    if kind is not None and kind not in VIEWS:
        raise ArgumentError(f"test_cfg.augment must be one of {', '.join(VIEWS)}, got {kind!r}")


def augmented_views(img: Tensor, kind: str) -> Iterator[Tensor]:
    """The views of a batch, the batch itself first.

    Args:
        img: [N, C, H, W].
        kind: ``'flip'``: and mirrored left to right; ``'flips'``: both mirrorings and both
            together; ``'dihedral'``: all quarter turns of the image and of its mirror image. The
            last is right where there is no up, as on skin.

    Yields:
        V batches [N, C, H, W], or [N, C, W, H] for quarter turns.

    Raises:
        ArgumentError: An unknown kind.
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
