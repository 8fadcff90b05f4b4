"""TiCo: Zhu et al. 2022, "TiCo: Transformation Invariance and Covariance Contrast ...".

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
class TiCo(MomentumEmbedding):
    """Invariance to transformations with a contrast to the covariance of all earlier projections.

    The second view passes a momentum encoder, updated after each optimizer step:
    ``MomentumUpdateHook`` must be in ``custom_hooks``.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss, ``TiCoHead``; required.
        base_momentum: Momentum of the momentum encoder in the first iteration, 0 to 1.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "TiCo"
    family = "redundancy reduction"

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 5, algorithm 1.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        z = self.base_encoder(first)[0]  # [N, D]
        with torch.no_grad():
            target = self.momentum_encoder(second)[0]  # [N, D]
        return self.head(z, target)
