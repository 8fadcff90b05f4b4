"""ReSSL: Zheng et al. 2021, "ReSSL: Relational Self-Supervised Learning with Weak ...", NeurIPS.

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
class ReSSL(MomentumEmbedding):
    """A strongly augmented view has the relations to other images that a weak one has.

    The weak view passes a momentum encoder, updated after each optimizer step:
    ``MomentumUpdateHook`` must be in ``custom_hooks``. The paper keeps its momentum constant:
    ``end_momentum`` of the hook equals ``base_momentum``.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the queue and the loss, ``ReSSLHead``; required.
        base_momentum: Momentum of the momentum encoder in the first iteration, 0 to 1.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "ReSSL"
    family = "self-distillation"

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the cross entropy of the relations (section 3.2).

        Args:
            img: The strong view and the weak view, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the N images of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        strong, weak = two_views(img, self)
        student = self.base_encoder(strong)[0]  # [N, D]
        with torch.no_grad():
            teacher = self.momentum_encoder(weak)[0]  # [N, D]
        return self.head(student, teacher)
