"""DeepCluster: Caron et al. 2018, "Deep Clustering for Unsupervised Learning ...", ECCV.

Letters: N images of this process, L images of the data set, K clusters.
"""

from typing import Any

from torch import Tensor

from ..builder import ALGORITHMS
from .pseudo_labels import PseudoLabelModel


@ALGORITHMS.register_module()
class DeepCluster(PseudoLabelModel):
    """Alternating clustering of the features and classification of the clusters (figure 1).

    This class is the classification (equation 1). ``DeepClusterHook`` clusters the features of all
    images between epochs; ``DeepClusterDataset`` gives the clusters to the batches as labels.

    Args:
        backbone, neck, head, init_cfg: See ``PseudoLabelModel``.
        with_sobel: Replace images by their Sobel edges (section 3.3).

    Raises:
        ArgumentError: The head is missing.
    """

    title = "DeepCluster"
    family = "clustering"
    needed_hooks = ("DeepClusterHook",)

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
        """Return the cross entropy of the clusters.

        Args:
            img: Images [N, 3, H, W].
            pseudo_label: Cluster of each image, [N] (int64), 0..K-1.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, the mean over the images of this process, and ``acc`` in percent.
        """
        return self.head.loss(self.head(self.project(img)), pseudo_label)

    def set_reweight(self, labels: Any, reweight_pow: float = 0.5) -> None:
        """Set the weight of each cluster in the loss to size^-reweight_pow.

        Args:
            labels: Cluster of each image of the data set, [L], an array or a tensor.
            reweight_pow: At least 0; 0 gives all clusters the same weight.

        Raises:
            ArgumentError: See ``set_class_weights``.
        """
        self.weigh_clusters(labels, reweight_pow)
