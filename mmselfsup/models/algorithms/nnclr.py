"""NNCLR: Dwibedi et al. 2021, "With a Little Help from My Friends: Nearest-Neighbor ...", ICCV.

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS
from ..utils import NeighbourQueue, two_views
from .joint_embedding import JointEmbedding


@ALGORITHMS.register_module()
class NNCLR(JointEmbedding):
    """Contrastive learning with the neighbour of a view as its positive, from earlier batches.

    Args:
        backbone: Config of the encoder f.
        neck: Config of the projection g; required.
        head: Config of the predictor and the loss, ``NNCLRHead``; required.
        queue_len: K, the length of the queue that neighbours come from, at least a batch of all
            processes. None derives it from the number of training images, see ``fit_queue_len``.
        feat_dim: D, ``out_channels`` of the neck.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "NNCLR"
    family = "contrastive"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        queue_len: int | None = None,
        feat_dim: int = 256,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(backbone, neck, head, init_cfg)
        self.neighbours = NeighbourQueue(feat_dim, queue_len)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 2 for both orders of the views, as the paper's algorithm.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the N images of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        z1 = self.project(first)  # [N, D]
        z2 = self.project(second)  # [N, D]
        near_1, near_2 = self.neighbours(z1, z2)  # [N, D]
        loss_12 = self.head(near_1, z2)["loss"]
        loss_21 = self.head(near_2, z1)["loss"]
        return {"loss": (loss_12 + loss_21) / 2}
