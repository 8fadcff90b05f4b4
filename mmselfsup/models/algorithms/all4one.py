"""All4One: Estepa et al. 2023, "All4One: Symbiotic Neighbour Contrastive Learning via
Self-Attention and Redundancy Reduction", ICCV.

Letters: N images of this process, K neighbours, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import NeighbourQueue, two_views
from ..utils.ranges import check_at_least
from .joint_embedding import MomentumEmbedding


@ALGORITHMS.register_module()
class All4One(MomentumEmbedding):
    """Contrast with the nearest neighbour, with a summary of several neighbours, and of features.

    The target is a moving average of the encoder: ``MomentumUpdateHook`` must be in
    ``custom_hooks``. Its projections fill the queue that neighbours come from.

    Args:
        backbone: Config of the encoder f.
        neck: Config of the projection g; required.
        head: Config of predictors, transformer and losses, ``All4OneHead``; required.
        base_momentum: Momentum of the target in the first iteration, 0 to 1.
        num_neighbours: K, at least 2.
        queue_len: Length of the queue, see ``NNCLR``.
        feat_dim: D, ``out_channels`` of the neck.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing, or ``num_neighbours`` is below 2.
    """

    title = "All4One"
    family = "contrastive"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.99,
        num_neighbours: int = 5,
        queue_len: int | None = None,
        feat_dim: int = 256,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(backbone, neck, head, base_momentum, init_cfg)
        self.neighbours = NeighbourQueue(feat_dim, queue_len)
        check_at_least(2, num_neighbours=num_neighbours)
        self.num_neighbours = num_neighbours

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the three terms, each the mean of both orders of the views.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss_neighbour``, ``loss_centroid`` and ``loss_feature``, float32 scalars.

        Raises:
            ArgumentError: ``img`` doesn't hold two views, or the queue is shorter than K.
        """
        views = two_views(img, self)
        z = [self.base_encoder(view)[0] for view in views]  # [N, D] each
        with torch.no_grad():
            target = [self.momentum_encoder(view)[0] for view in views]
        near = [self.neighbours.several(part, self.num_neighbours) for part in target]
        if self.training:
            self.neighbours.push(target[0])
        both = [self.head(near[a], near[b], z[b], target[a]) for a, b in ((0, 1), (1, 0))]
        return {name: (value + both[1][name]) / 2 for name, value in both[0].items()}
