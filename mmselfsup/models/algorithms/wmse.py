"""W-MSE: Ermolov et al. 2021, "Whitening for Self-Supervised Representation Learning", ICML.

Letters: N images of this process, V views of an image, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import forward_by_size, several_views
from .joint_embedding import JointEmbedding


@ALGORITHMS.register_module()
class WMSE(JointEmbedding):
    """Views of an image lie close together after the projections of the batch are whitened.

    Whitening scatters the batch in all directions, so that there is no collapse without negatives
    and without a target network.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss, ``WMSEHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "W-MSE"
    family = "redundancy reduction"

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of section 3 over the images of all processes.

        Args:
            img: V >= 2 views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` in 0..4, a float32 scalar, equal on all processes.

        Raises:
            ArgumentError: There are fewer than two views, or the joined batch is too small for the
                width of the projections.
        """
        views = several_views(img, self, "num_views=[2]")
        parts = forward_by_size(self.project, views)  # for each size [views * N, D]
        return self.head(torch.cat(parts).unflatten(0, (len(views), -1)))  # [V, N, D]
