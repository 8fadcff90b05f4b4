"""SupCon: Khosla et al. 2020, "Supervised Contrastive Learning", NeurIPS.

Letters: N images of this process, R processes, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS
from ..utils import two_views
from ..utils.precision import to_float32
from .simclr import SimCLR


@ALGORITHMS.register_module()
class SupCon(SimCLR):
    """Contrastive learning whose positives are the views of all images of the same class.

    Images without a label (-1) are learnt from as in SimCLR, so that a part of the labels is
    enough. The data set gives labels: ``MultiViewDataset(with_label=True)``.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss, ``SupConHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "SupCon"
    family = "contrastive"

    def forward_train(
        self, img: Sequence[Tensor], label: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the loss of equation 2 over the views of all processes.

        Args:
            img: The two views, each [N, C, H, W].
            label: Classes [N] (int64), -1 for an image without one.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, equal on all processes.

        Raises:
            ArgumentError: ``img`` doesn't hold two views, or there are no labels.
        """
        if label is None:
            raise ArgumentError("SupCon needs labels: set data.train.with_label=True")
        # Adjacent views stay adjacent when batches of all ranks are concatenated.
        views = torch.stack(two_views(img, self), dim=1).flatten(0, 1)  # [2N, C, H, W]
        z = self.project(views)  # [2N, D]
        z = dist.gather_with_grad(F.normalize(to_float32(z), dim=1))  # [2NR, D]
        return self.head(z, dist.all_gather_cat(label))
