"""SimCLR: Chen et al. 2020, "A Simple Framework for Contrastive Learning ...", ICML.

Letters: N images of this process, R processes, V = 2 views, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmselfsup.utils import dist

from ..builder import ALGORITHMS
from ..losses import pair_similarities
from ..utils import two_views
from ..utils.needs import Needs
from ..utils.precision import to_float32
from .joint_embedding import JointEmbedding


@ALGORITHMS.register_module()
class SimCLR(JointEmbedding):
    """Contrastive learning of two views against all other views of the joined batch.

    Args:
        backbone: Config of the encoder f(.).
        neck: Config of the projection head g(.); required.
        head: Config of the loss on similarities, ``ContrastiveHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.

    Difference from 0.x: with R processes 0.x's gradient was 1/R of that of one process on the
    joined batch; now they are equal (see ``GatherLayer``). The loss is that of 0.x.
    """

    title = "SimCLR"
    family = "contrastive"
    needs = Needs(
        batch=128,
        why="negatives come from the batch: figure 9 of the paper",
        instead="use a method with a queue (MoCo v2) or without negatives (BYOL, SimSiam)",
    )

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return NT-Xent (equation 1) over the views of all processes.

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the 2NR views of all processes,
            equal on all of them.

        Raises:
            ArgumentError: ``img`` doesn't hold two views, or the joined batch has one image only.
        """
        # Adjacent views stay adjacent when batches of all ranks are concatenated.
        views = torch.stack(two_views(img, self), dim=1).flatten(
            0, 1
        )  # [2N, C, H, W], the two views of an image next to each other
        z = self.project(views)  # [2N, D]
        z = F.normalize(to_float32(z), dim=1)  # [2N, D]
        every = dist.gather_with_grad(z)  # [2NR, D]
        if not getattr(self.head, "mean_of_anchors", False):  # its anchors depend on each other
            return self.head(*pair_similarities(every))
        # Own rows against all columns: the mean over the ranks is the loss of all rows, and the
        # gradients that the ranks have for the rows of each other are added up on the way back.
        first = dist.get_rank() * len(z)
        losses = self.head(*pair_similarities(z, every, first))  # [2N, 1], [2N, 2NR - 2]
        return {name: dist.mean_with_own_grad(loss) for name, loss in losses.items()}
