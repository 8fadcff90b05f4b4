"""DeepCluster v2: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting
Cluster Assignments" (SwAV), NeurIPS, appendix.

Letters: N images of this process, V views, C channels, D width of a projection.
"""

from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from .swav import SwAV


@ALGORITHMS.register_module()
class DeepClusterV2(SwAV):
    """DeepCluster with SwAV's network and views: views predict the image's clusters of last epoch.

    ``DeepClusterV2Hook`` must be in ``custom_hooks``: it fills the banks before the first epoch,
    and clusters them before each.

    Args:
        backbone: Config of the encoder f.
        neck: Config of the projection, ``SwAVNeck``; required.
        head: Config of banks, clusters and loss, ``DeepClusterV2Head``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "DeepCluster v2"
    family = "clustering"
    needed_hooks = ("DeepClusterV2Hook",)

    def forward_train(self, img: Any, idx: Tensor, **kwargs: Any) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the cross entropy of the clusters of each image, for all views and clusterings.

        Args:
            img: V views, each [N, C, H, W], those of one size next to each other in the list.
            idx: Indices of the images in the data set, [N] (int64).
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the images of this process.

        Raises:
            ArgumentError: ``img`` is no list of V views.
        """
        return self.head(self.project(img), idx)

    @torch.no_grad()
    def remember(self, img: Any, idx: Tensor, **kwargs: Any) -> None:
        """Put the projections of a batch into the banks; arguments as in ``forward_train``."""
        self.head.remember(self.project(img), idx)
