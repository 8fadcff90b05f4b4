"""DINO: Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers", ICCV.

Letters: N images of this process, V views of an image, G global ones, C channels, K outputs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS
from ..utils import forward_by_size, several_views
from ..utils.ema import without_drop_path
from .joint_embedding import MomentumEmbedding


@ALGORITHMS.register_module()
class DINO(MomentumEmbedding):
    """Self-distillation without labels: small crops predict what the teacher sees in large ones.

    The teacher is a moving average of the student, updated after each optimizer step:
    ``MomentumUpdateHook`` must be in ``custom_hooks``, without it the teacher never changes. The
    teacher is what is exported and monitored, and has no stochastic depth.

    Args:
        backbone: Config of the encoder f, a transformer or a convolutional network.
        neck: Config of the projection h, ``DINONeck``; required.
        head: Config of centring and loss, ``DINOHead``; required.
        base_momentum: Momentum of the teacher in the first iteration, 0 to 1. The hook raises it on
            a cosine to its ``end_momentum`` at the end of the training.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "DINO"
    family = "self-distillation"
    evaluates = "target"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.996,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(backbone, neck, head, base_momentum, init_cfg)
        without_drop_path(self.momentum_encoder)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 3 (algorithm 1).

        Args:
            img: V >= 2 views, each [N, C, H, W], the G global ones first; local ones may be
                smaller.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the N images of this process.

        Raises:
            ArgumentError: There are fewer than two views, or fewer than G.
        """
        views = several_views(img, self, "num_views=[2, 6]")
        num_global = global_views(self, len(views))
        student = scores_by_size(self.base_encoder, views)  # [V, N, K]
        with torch.no_grad():
            teacher = scores_by_size(self.momentum_encoder, views[:num_global])  # [G, N, K]
        return self.head(student, teacher)


def scores_by_size(encoder: nn.Module, views: Sequence[Tensor]) -> Tensor:
    """Return the outputs [V, N, K] of a backbone with its neck for V views [N, C, H, W]."""
    parts = forward_by_size(lambda images: encoder(images)[0], views)
    return torch.cat(parts).unflatten(0, (len(views), -1))


def global_views(model: Any, num_views: int) -> int:
    """Return G, the head's ``num_global``.

    Raises:
        ArgumentError: There are fewer views than that.
    """
    count: int = model.head.num_global
    if count > num_views:
        raise ArgumentError(
            f"{type(model).__name__} got {num_views} views, fewer than head.num_global={count}: "
            "make it the first entry of data.train.num_views"
        )
    return count
