"""SMoG: Pang et al. 2022, "Unsupervised Visual Representation Learning by Synchronous Momentum
Grouping", ECCV.

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
class SMoG(MomentumEmbedding):
    """Contrastive learning between images and groups, which move with every batch.

    The second view passes a momentum encoder, updated after each optimizer step:
    ``MomentumUpdateHook`` must be in ``custom_hooks``. ``SMoGHook`` clusters earlier projections
    from time to time, so that no group takes all images.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of predictor, groups and loss, ``SMoGHead``; required.
        base_momentum: Momentum of the momentum encoder in the first iteration, 0 to 1.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "SMoG"
    family = "clustering"
    needed_hooks = ("MomentumUpdateHook", "SMoGHook")

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the contrast of the first view to the groups; the second names the group.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the N images of this process; and
            ``used_groups``.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        z = self.base_encoder(first)[0]  # [N, D]
        with torch.no_grad():
            target = self.momentum_encoder(second)[0]  # [N, D]
        return self.head(z, target)
