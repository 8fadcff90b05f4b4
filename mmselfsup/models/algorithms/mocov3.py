"""MoCo v3: Chen et al. 2021, "An Empirical Study of Training Self-Supervised Vision Transformers".

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import two_views
from .joint_embedding import MomentumEmbedding


@ALGORITHMS.register_module()
class MoCoV3(MomentumEmbedding):
    """Contrastive learning without a queue: the keys are those of the batch of all processes.

    The key encoder is a moving average of the query encoder, updated after each optimizer step:
    ``MomentumUpdateHook`` must be in ``custom_hooks``, without it the key encoder never changes.

    Args:
        backbone: Config of the encoder: ``VisionTransformer``, whose ``stop_grad_conv1`` makes
            training stable (section 4), or a convolutional network.
        neck: Config of the projection; required.
        head: Config of the predictor and the loss, ``MoCoV3Head``; required.
        base_momentum: Momentum of the key encoder in the first iteration, 0 to 1. The hook raises
            it on a cosine to its ``end_momentum`` at the end of the training.
        init_cfg: See ``BaseModel``.
        **kwargs: Accepted and ignored, as in 0.x.

    Raises:
        ArgumentError: The neck or the head is missing.

    Difference from 0.x: the key encoder starts equal to the query encoder, where 0.x drew the query
    encoder's weights again after copying them.
    """

    title = "MoCo v3"
    family = "contrastive"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.99,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, neck, head, base_momentum, init_cfg)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of algorithm 1: each view is the query and the key once.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the N images of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        query_1 = self.base_encoder(first)[0]  # [N, D]
        query_2 = self.base_encoder(second)[0]  # [N, D]
        with torch.no_grad():
            key_1 = self.momentum_encoder(first)[0]  # [N, D]
            key_2 = self.momentum_encoder(second)[0]  # [N, D]
        loss_12 = self.head(query_1, key_2)["loss"]
        loss_21 = self.head(query_2, key_1)["loss"]
        return {"loss": loss_12 + loss_21}
