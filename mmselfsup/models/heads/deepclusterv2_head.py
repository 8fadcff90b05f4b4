"""The head of DeepCluster v2 (Caron et al. 2020, "Unsupervised Learning of Visual Features by
Contrasting Cluster Assignments", appendix, and the code published with it).

Letters: N images of this process, L images of the data set, V views, A of them remembered, D width
of a projection, H clusterings, K clusters of one.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils.clustering import spherical_kmeans
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.dist import on_main
from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.sharding import assign

from ..builder import HEADS
from ..losses import assigned_prediction, check_temperature
from ..memories.base import FeatureBank
from ..utils.multi_prototypes import MultiPrototypes

# Between the starts of two seeds, more than there are clusterings in a run.
_APART = 1_000_003


@HEADS.register_module()
class DeepClusterV2Head(BaseModule):
    """Clusters of the features of the last epoch, and the prediction of an image's clusters.

    The features of A views of each image are kept while an epoch runs; ``cluster``, which
    ``DeepClusterV2Hook`` calls before each epoch, makes H clusterings of them. Their centroids are
    the weights of the classifiers, which don't train. Banks, clusters and centroids are in the
    checkpoint.

    Args:
        feat_dim: D.
        num_clusters: K of each of the H clusterings; clustering h takes the features of view
            ``crops_for_assign[h % A]``.
        temperature: Divisor of the cosines, above 0.
        num_crops: Number of views of each size; V is their sum.
        crops_for_assign: Indices of the A views whose features are kept.
        bank_len: L; None takes it from the training data.
        kmeans_iters: Iterations of k-means.

    Raises:
        ArgumentError: An argument is out of range.
    """

    banks: Any  # a list of ``FeatureBank``
    assignments: Tensor
    clustered_epoch: Tensor

    def __init__(
        self,
        feat_dim: int,
        num_clusters: Sequence[int] = (3000, 3000, 3000),
        temperature: float = 0.1,
        num_crops: Sequence[int] = (2,),
        crops_for_assign: Sequence[int] = (0, 1),
        bank_len: int | None = None,
        kmeans_iters: int = 10,
    ) -> None:
        super().__init__()
        num_views = sum(num_crops)
        if not crops_for_assign or any(not 0 <= crop < num_views for crop in crops_for_assign):
            raise ArgumentError(
                f"crops_for_assign={crops_for_assign} must name some of the {num_views} views "
                f"of num_crops={num_crops}"
            )
        if kmeans_iters < 1:
            raise ArgumentError(f"kmeans_iters counts from 1, got {kmeans_iters}")
        self.temperature = check_temperature(temperature)
        self.num_crops, self.crops_for_assign = list(num_crops), list(crops_for_assign)
        self.kmeans_iters = kmeans_iters
        self.prototypes = MultiPrototypes(feat_dim, list(num_clusters)).requires_grad_(False)
        self.banks = nn.ModuleList(
            FeatureBank(bank_len, feat_dim, momentum=1.0) for _ in self.crops_for_assign
        )
        self.register_buffer("assignments", self._no_clusters(bank_len or 0))  # [H, L]
        self.register_buffer("clustered_epoch", torch.tensor(-1))

    def _no_clusters(self, length: int) -> Tensor:
        """Return assignments [H, L] before the first clustering."""
        return torch.full((self.prototypes.num_heads, length), -1)

    def fit_dataset(self, size: DataInfo) -> None:
        """Take the length from the training data; the banks do so themselves.

        Raises:
            UserError: There are fewer images than clusters.
        """
        most = max(layer.out_features for layer in self.prototypes.children())
        if most > size.num_images:
            raise UserError(
                f"{size.num_images} training images can't make {most} clusters: lower "
                "model.head.num_clusters"
            )
        if self.assignments.shape[1] != size.num_images:
            self.assignments = self._no_clusters(size.num_images).to(self.assignments.device)

    def forward(self, z: Tensor, idx: Tensor) -> dict[str, Tensor]:
        """Return ``loss``: the mean cross entropy over clusterings, views and images, float32.

        In training the projections then become the image's rows in the banks.

        Args:
            z: Projections of unit length, [V, N, D].
            idx: Indices of the images in the data set, [N] (int64).
        """
        labels = self.assignments[:, idx]  # [H, N]
        losses = [
            assigned_prediction(layer(z), own, self.temperature)
            for layer, own in zip(self.prototypes.children(), labels, strict=True)
        ]
        if self.training:
            self.remember(z, idx)
        return {"loss": torch.stack(losses).mean()}

    def remember(self, z: Tensor, idx: Tensor) -> None:
        """Put the projections [V, N, D] of images [N] into the banks, those of all processes."""
        for bank, crop in zip(self.banks, self.crops_for_assign, strict=True):
            bank.blend(idx, z[crop].detach())

    @torch.no_grad()
    def cluster(self, epoch: int, seed: int = 0) -> None:
        """Cluster the banks for an epoch; all processes get the clusters of the first one.

        The start of k-means follows from the seed, the epoch and the clustering alone, so that a
        resumed run finds the same clusters.

        Args:
            epoch: The epoch, from 0.
            seed: Seed of the run, at least 0.
        """
        layers = list(self.prototypes.children())

        def work() -> list[tuple[Tensor, Tensor]]:
            found = []
            for h, layer in enumerate(layers):
                rows = self.banks[h % len(self.banks)].feature_bank
                start = (seed * _APART + epoch * len(layers) + h) % 2**63
                parts = spherical_kmeans(rows, len(layer.weight), start, self.kmeans_iters)
                found.append((parts[0].cpu(), parts[1].cpu()))
            return found

        for h, (labels, centroids) in enumerate(on_main(work)):
            self.assignments[h].copy_(labels)
            assign(layers[h].weight, centroids)
        self.clustered_epoch.fill_(epoch)
