"""The head of All4One: Estepa et al. 2023, "All4One: Symbiotic Neighbour Contrastive Learning via
Self-Attention and Redundancy Reduction", ICCV.

Letters: N images of this process, R processes, K neighbours, D width of a projection.
"""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from mmcv.runner.base_module import ModuleList
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS, build_neck
from ..losses import batch_info_nce, check_temperature
from ..utils import TransformerEncoderLayer, to_float32
from ..utils.position_embedding import build_1d_sincos_position_embedding
from .cross_correlation_head import LatentCrossCorrelationHead


@HEADS.register_module()
class All4OneHead(BaseModule):
    """The neighbour, centroid and feature terms of one view against the other.

    - Neighbour: the nearest neighbour of a view finds the prediction of the other view in the
      batch, as in NNCLR.
    - Centroid: a transformer summarises the K neighbours of a view; the summary finds that of the
      other view's neighbours with a second prediction of the other view in front, the farthest
      neighbour left out. No token of one is copied into the other: the images must match them.
    - Feature: Barlow Twins' redundancy reduction between the other view's projection and the
      target, divided by D.

    Args:
        feat_dim: D, even.
        predictor: Config of a neck that maps vectors [[N, D]] to vectors [[N, D]]; two are built.
        temperature: Divisor of the cosines, above 0.
        depth: Blocks of the transformer.
        num_heads: Attention heads of a block.
        mlp_ratio: Hidden channels of a block's perceptron, as a multiple of D.
        neighbour_weight: Weight of the neighbour term (sigma), at least 0.
        centroid_weight: Weight of the centroid term (kappa), at least 0.
        feature_weight: Weight of the feature term (eta), at least 0.
        lambd: Weight of the entries off the diagonal, see ``redundancy_loss``.

    Raises:
        ArgumentError: A weight is negative, the temperature is not above 0, or D is odd.
    """

    def __init__(
        self,
        feat_dim: int,
        predictor: dict,
        temperature: float = 0.2,
        depth: int = 3,
        num_heads: int = 8,
        mlp_ratio: float = 2.0,
        neighbour_weight: float = 0.5,
        centroid_weight: float = 0.5,
        feature_weight: float = 5.0,
        lambd: float = 0.0051,
    ) -> None:
        super().__init__()
        if min(neighbour_weight, centroid_weight, feature_weight) < 0:
            raise ArgumentError(
                "neighbour_weight, centroid_weight and feature_weight must be from 0, got "
                f"{neighbour_weight}, {centroid_weight} and {feature_weight}"
            )
        build_1d_sincos_position_embedding(1, feat_dim)  # checks the width
        self.temperature = check_temperature(temperature)
        self.predictor = build_neck(predictor)
        self.centroid_predictor = build_neck(predictor)
        self.blocks = ModuleList(
            TransformerEncoderLayer(feat_dim, num_heads, int(mlp_ratio * feat_dim))
            for _ in range(depth)
        )
        self.redundancy = LatentCrossCorrelationHead(feat_dim, lambd)
        self.weights = neighbour_weight, centroid_weight, feature_weight
        self.feat_dim = feat_dim

    def forward(
        self, neighbours: Tensor, other_neighbours: Tensor, other: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Return ``loss_neighbour``, ``loss_centroid`` and ``loss_feature``, float32 scalars.

        Args:
            neighbours: The K nearest neighbours of one view's target, the nearest first, unit
                vectors [N, K, D] without gradient.
            other_neighbours: Those of the other view's target, [N, K, D].
            other: Projections [N, D] of the other view.
            target: The target's projections [N, D] of the first view, without gradient.
        """
        prediction, second = (
            to_float32(predictor([other])[0])
            for predictor in (self.predictor, self.centroid_predictor)
        )  # [N, D]
        front = F.normalize(second, dim=1)[:, None]  # [N, 1, D]
        shifted = torch.cat([front, other_neighbours[:, :-1]], dim=1)  # [N, K, D]
        sigma, kappa, eta = self.weights
        return {
            "loss_neighbour": sigma * self._find(neighbours[:, 0], prediction),
            "loss_centroid": kappa * self._find(self.centroid(neighbours), self.centroid(shifted)),
            "loss_feature": eta * self.redundancy(other, target)["loss"] / self.feat_dim,
        }

    def centroid(self, sequence: Tensor) -> Tensor:
        """Return the summaries [N, D] of sequences [N, K, D]: the first place after the blocks.

        Positions are added first, of unit length as the tokens are.
        """
        places = build_1d_sincos_position_embedding(
            sequence.shape[1], self.feat_dim, device=sequence.device
        )  # [K, D]
        sequence = sequence + F.normalize(places, dim=1).to(sequence.dtype)
        for block in self.blocks:
            sequence = block(sequence)
        return to_float32(sequence[:, 0])

    def _find(self, query: Tensor, key: Tensor) -> Tensor:
        """Return InfoNCE of queries [N, D] among the keys [N, D] of all processes."""
        keys = dist.gather_with_grad(key)  # [R*N, D]
        return batch_info_nce(query, keys, self.temperature, first=dist.get_rank() * len(query))
