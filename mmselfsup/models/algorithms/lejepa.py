"""LeJEPA: Balestriero and LeCun 2025, "LeJEPA: Provable and Scalable Self-Supervised Learning ...".

Letters: N images of this process, V views of an image, G global ones, C channels, D width of a
projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import forward_by_size, several_views
from .dino import global_views
from .joint_embedding import JointEmbedding


@ALGORITHMS.register_module()
class LeJEPA(JointEmbedding):
    """Joint embedding with isotropic Gaussian embeddings: no teacher, no stop-gradient, one weight.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss, ``LeJEPAHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "LeJEPA"
    family = "redundancy reduction"

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of algorithm 2 over the images of all processes.

        Args:
            img: V >= 2 views, each [N, C, H, W], the global ones first; local ones may be smaller.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0, and its two terms.

        Raises:
            ArgumentError: There are fewer than two views, or fewer than G.
        """
        views = several_views(img, self, "num_views=[2, 6]")
        if getattr(self.head, "num_global", None) is not None:
            global_views(self, len(views))
        parts = forward_by_size(self.project, views)  # for each size [views * N, D]
        return self.head(torch.cat(parts).unflatten(0, (len(views), -1)))  # [V, N, D]
