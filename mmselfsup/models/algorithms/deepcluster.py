"""DeepCluster: Caron et al. 2018, "Deep Clustering for Unsupervised Learning ...", ECCV.

Letters: N images, K clusters.
"""

from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS
from .pseudo_labels import PseudoLabelModel


@ALGORITHMS.register_module()
class DeepCluster(PseudoLabelModel):
    """Cluster the features of all images, learn to tell the clusters, cluster again (figure 1).

    Here stands the learning (equation 1). ``DeepClusterHook`` clusters between the epochs;
    ``DeepClusterDataset`` hands the clusters out as labels.

    Args:
        backbone, neck, head, init_cfg: See ``PseudoLabelModel``.
        with_sobel: Turn images into edges first (section 3.3).
    """

    def __init__(
        self,
        backbone: dict,
        with_sobel: bool = True,
        neck: dict | None = None,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(backbone, with_sobel, neck, head, init_cfg)

    def forward_train(self, img: Tensor, pseudo_label: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Cross entropy of the clusters.

        Args:
            img: Images [N, 3, H, W].
            pseudo_label: Cluster of each image, [N], 0..K-1.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, and ``acc`` in percent.
        """
        return self.head.loss(self.head(self.project(img)), pseudo_label)

    def set_reweight(self, labels: Any, reweight_pow: float = 0.5) -> None:
        """Weigh the clusters in the loss: size^-reweight_pow.

        Args:
            labels: Cluster of each image of the data set, an array or a tensor.
            reweight_pow: 0 weighs all alike.
        """
        self.weigh_clusters(labels, reweight_pow)
