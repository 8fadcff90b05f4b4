"""MMCR: Yerxa et al. 2023, "Learning Efficient Coding of Natural Images with Maximum Manifold ...".

Letters: N images of this process, V views of an image, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import several_views
from .joint_embedding import JointEmbedding


@ALGORITHMS.register_module()
class MMCR(JointEmbedding):
    """Maximum manifold capacity: compact views of each image, images spread over all directions.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss, ``MMCRHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "MMCR"
    family = "redundancy reduction"

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the negative nuclear norm of the centroids of all processes, equation 3.

        Args:
            img: V >= 2 views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, equal on all processes.

        Raises:
            ArgumentError: There are fewer than two views.
        """
        views = several_views(img, self, "num_views=[2]")
        # One view after the other, so that each is normalised by its own batch statistics.
        return self.head(torch.stack([self.project(view) for view in views]))
