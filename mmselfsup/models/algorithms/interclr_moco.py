"""InterCLR: Xie et al. 2022, "Delving into Inter-Image Invariance for ... Representations", IJCV.

Built on MoCo. Letters: N images of this process, C channels, L training images, D width of a
feature, K negatives of an image in the memory, Q keys in the queue.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.utils.batch_shuffle import batch_shuffle_ddp, batch_unshuffle_ddp
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError
from mmselfsup.utils.gather import concat_all_gather
from mmselfsup.utils.logger import NAME

from ..builder import ALGORITHMS, build_memory, build_neck
from ..losses import (
    angular_margin,
    cosine_margin,
    draw_negatives,
    draw_positives,
    queue_similarities,
)
from ..losses.inter_image import STRATEGIES
from ..utils import enqueue, two_views
from ..utils.precision import full_precision, to_float32
from .base import NECK_OUTSIDE, require
from .moco import MoCo


@ALGORITHMS.register_module()
class InterCLRMoCo(MoCo):
    """MoCo, plus a contrast of each image with other images of its cluster.

    The intra-image branch is MoCo (InfoNCE). The inter-image branch takes a random image of the
    same cluster from a memory bank as the positive, and images of other clusters as negatives. The
    paper's three questions are arguments: how labels are maintained (``online_labels``: clusters
    and features in the memory change in every iteration, as in ODC), how negatives are sampled
    (``neg_sampling``), and how strict the decision boundary is (MarginNCE: a margin below 0 makes
    the positives of a branch easier, one above 0 harder). The total loss is
    ``lambda * L_intra + (1 - lambda) * L_inter``. ``InterCLRHook`` fills the memory and maintains
    its clusters.

    Args:
        backbone, neck, head, feat_dim, momentum, init_cfg: See ``MoCo``.
        queue_len: Q; None takes it from the data, see ``MoCo``.
        memory_bank: Config of the memory, ``InterCLRMemory``; required.
        online_labels: Whether images get the nearest cluster in every iteration; False leaves the
            labels to the hook, which clusters between epochs.
        neg_num: K, at least 1.
        neg_sampling: How negatives are drawn: ``'hard'``, ``'semihard'``, ``'random'`` or
            ``'semieasy'``, see ``draw_negatives``.
        semihard_neg_pool_num: Size of the pool of the most similar ones; at least K.
        semieasy_neg_pool_num: Size of the pool of the least similar ones; at least K.
        intra_cos_marign_loss: Whether the intra-image branch has a margin of the cosine (the
            arguments are spelt as in 0.x).
        intra_cos_margin: That margin.
        intra_arc_marign_loss: Whether the intra-image branch has a margin of the angle.
        intra_arc_margin: That margin in radians.
        inter_cos_marign_loss: Whether the inter-image branch has a margin of the cosine.
        inter_cos_margin: That margin.
        inter_arc_marign_loss: Whether the inter-image branch has a margin of the angle.
        inter_arc_margin: That margin in radians.
        intra_loss_weight: Weight of the intra-image loss (lambda), at least 0.
        inter_loss_weight: Weight of the inter-image loss (1 - lambda), at least 0.
        share_neck: Whether both branches use one neck; False gives the inter-image branch necks of
            its own, ``inter_neck_q`` and ``inter_neck_k``.
        num_classes: Number of clusters, at least that of the memory bank, which counts.
        **kwargs: Ignored, as in 0.x.

    Raises:
        ArgumentError: The neck, the head or the memory bank is missing, an unknown strategy, or
            numbers that don't fit each other.

    Differences from 0.x: see ``MoCo``; the memory is in the checkpoint; negatives are drawn without
    replacement, and the pools hold negatives only; an image with fewer than K negatives uses those
    that it has, where 0.x ended with an error; validation has no inter-image loss, because its
    images are not in the memory.
    """

    title = "InterCLR"
    family = "contrastive"
    not_sharded = NECK_OUTSIDE
    folder = "interclr"

    #: Overwritten by the constructor; ``MoCo``'s asks for the pairs before.
    share_neck: bool = True
    memory_bank: Any

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        queue_len: int | None = 65536,
        feat_dim: int = 128,
        momentum: float = 0.999,
        memory_bank: dict | None = None,
        online_labels: bool = True,
        neg_num: int = 16384,
        neg_sampling: str = "semihard",
        semihard_neg_pool_num: int = 128000,
        semieasy_neg_pool_num: int = 128000,
        intra_cos_marign_loss: bool = False,
        intra_cos_margin: float = 0,
        intra_arc_marign_loss: bool = False,
        intra_arc_margin: float = 0,
        inter_cos_marign_loss: bool = True,
        inter_cos_margin: float = -0.5,
        inter_arc_marign_loss: bool = False,
        inter_arc_margin: float = 0,
        intra_loss_weight: float = 0.75,
        inter_loss_weight: float = 0.25,
        share_neck: bool = True,
        num_classes: int = 10000,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        neck, head, memory_bank = require(self, neck=neck, head=head, memory_bank=memory_bank)
        super().__init__(backbone, neck, head, queue_len, feat_dim, momentum, init_cfg)
        self.memory_bank = build_memory(memory_bank)
        self.online_labels = online_labels
        self.neg_num, self.neg_sampling = neg_num, neg_sampling
        self.semihard_neg_pool_num = semihard_neg_pool_num
        self.semieasy_neg_pool_num = semieasy_neg_pool_num
        self.intra_cos, self.intra_cos_margin = intra_cos_marign_loss, intra_cos_margin
        self.intra_arc, self.intra_arc_margin = intra_arc_marign_loss, intra_arc_margin
        self.inter_cos, self.inter_cos_margin = inter_cos_marign_loss, inter_cos_margin
        self.inter_arc, self.inter_arc_margin = inter_arc_marign_loss, inter_arc_margin
        self.intra_loss_weight, self.inter_loss_weight = intra_loss_weight, inter_loss_weight
        self._check(num_classes)
        self.num_classes: int = self.memory_bank.num_classes
        self.share_neck = share_neck
        if not share_neck:
            self.inter_neck_q, self.inter_neck_k = build_neck(neck), build_neck(neck)
            self.start_targets()

    def _check(self, num_classes: int) -> None:
        if self.neg_sampling not in STRATEGIES:
            raise ArgumentError(
                f"neg_sampling must be one of {', '.join(STRATEGIES)}, got {self.neg_sampling!r}"
            )
        if not 1 <= self.neg_num <= self._pool:
            raise ArgumentError(
                f"neg_num={self.neg_num} must lie in 1..{self.neg_sampling}_neg_pool_num="
                f"{self._pool}"
            )
        if num_classes < self.memory_bank.num_classes:
            raise ArgumentError(
                f"num_classes={num_classes} is less than the {self.memory_bank.num_classes} of "
                "memory_bank: give both the same"
            )

    @property
    def _pool(self) -> float:
        pools = {"semihard": self.semihard_neg_pool_num, "semieasy": self.semieasy_neg_pool_num}
        return pools.get(self.neg_sampling, math.inf)

    @property
    def clustering_neck(self) -> nn.Module:
        """Return the neck whose features are clustered: those that the memory holds."""
        return self.neck if self.share_neck else self.inter_neck_q

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the (online, target) encoders, and the necks of the inter-image branch if any."""
        pairs = super().momentum_pairs()
        return pairs if self.share_neck else [*pairs, (self.inter_neck_q, self.inter_neck_k)]

    def fit_dataset(self, size: DataInfo) -> None:
        """Fit the queue to the training data; warn of more negatives than there can be.

        Raises:
            UserError: See ``MoCo``.
        """
        super().fit_dataset(size)
        if self.neg_num >= size.num_images:
            logging.getLogger(NAME).warning(
                "InterCLR: neg_num=%d, but there are only %d images: all of other clusters are "
                "negatives",
                *(self.neg_num, size.num_images),
            )

    def forward_train(  # type: ignore[override]
        self, img: Sequence[Tensor], idx: Tensor, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the losses of both branches, then update queue and memory.

        Args:
            img: The two views, query and key, each [N, C, H, W].
            idx: Indices of the images in the data set, [N] (int64), 0..L-1.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``intra_loss`` and ``inter_loss`` with their weights, float32 scalars, at least 0, means
            over the images of this process; with online labels ``change_ratio``, the fraction of
            the joined batch whose cluster has changed. In validation ``intra_loss`` only.

        Raises:
            ArgumentError: ``img`` doesn't hold two views, or the memory is empty.
        """
        im_q, im_k = two_views(img, self)
        features = self.encoder_q[0](im_q)
        q = unit(self.encoder_q[1](features))  # [N, D]
        k, inter_k = self.encode_both_keys(im_k)  # [N, D] each
        losses = {"intra_loss": self.intra_loss_weight * self.contrast_intra(q, k)["loss"]}
        if not self.training:
            return losses
        if not self.memory_bank.initialized:
            raise ArgumentError(
                "the memory of InterCLR is empty: put InterCLRHook with init_memory=True into "
                "custom_hooks"
            )
        inter_q = q if self.share_neck else unit(self.inter_neck_q(features))  # [N, D]
        losses["inter_loss"] = self.inter_loss_weight * self.contrast_inter(inter_q, idx)["loss"]
        enqueue(self.queue, self.queue_ptr, concat_all_gather(k))
        if self.online_labels:
            losses["change_ratio"] = self.memory_bank.update_samples_memory(idx, inter_k)
        else:
            self.memory_bank.update_simple_memory(idx, inter_k)
        return losses

    @torch.no_grad()
    def encode_both_keys(self, im_k: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys of the two branches, [N, D] each, as ``encode_keys`` does."""
        if self.share_neck:
            k = self.encode_keys(im_k)
            return k, k
        self.momentum_update_in_forward()
        im_k, order = batch_shuffle_ddp(im_k)
        features = self.encoder_k[0](im_k)
        keys = unit(self.encoder_k[1](features)), unit(self.inter_neck_k(features))
        return batch_unshuffle_ddp(keys[0], order), batch_unshuffle_ddp(keys[1], order)

    def contrast_intra(self, q: Tensor, k: Tensor) -> dict[str, Tensor]:
        """Return ``loss`` of queries and keys, [N, D] each, against the queue (InfoNCE)."""
        # Copied: the backward pass needs the values of now, which ``enqueue`` overwrites.
        pos, neg = queue_similarities(q, k, self.queue.clone())  # [N, 1], [N, Q]
        if self.intra_cos:
            pos = cosine_margin(pos, self.intra_cos_margin)
        if self.intra_arc:
            pos = angular_margin(pos, self.intra_arc_margin)
        return self.head(pos, neg)

    def contrast_inter(self, q: Tensor, idx: Tensor) -> dict[str, Tensor]:
        """Return ``loss`` of queries [N, D] against the memory (MarginNCE).

        Args:
            q: Queries of unit length, [N, D].
            idx: Their rows of the memory, [N] (int64).
        """
        labels = self.memory_bank.label_bank  # [L]
        # Copied: the update of the memory changes its rows before the backward pass.
        similarity = bank_similarities(q, self.memory_bank.feature_bank.clone())  # [N, L]
        positive = draw_positives(labels, idx)  # [N]
        pool = self.neg_num if self._pool == math.inf else int(self._pool)
        rows, negative = draw_negatives(
            similarity.detach(), labels, idx, self.neg_num, self.neg_sampling, pool
        )  # [N, K] each
        pos = similarity.gather(1, positive[:, None])  # [N, 1]
        neg = similarity.gather(1, rows).masked_fill(~negative, -math.inf)  # [N, K]
        if self.inter_cos:
            pos = cosine_margin(pos, self.inter_cos_margin)
        if self.inter_arc:
            pos = angular_margin(pos, self.inter_arc_margin)
        return self.head(pos, neg)


def unit(projection: Sequence[Tensor]) -> Tensor:
    """Return the output of a neck as float32 rows of unit length, [N, D]."""
    return F.normalize(to_float32(projection[0]), dim=1)


@full_precision
def bank_similarities(q: Tensor, bank: Tensor) -> Tensor:
    """Return the similarities [N, L] of queries [N, D] to all rows of a bank [L, D]."""
    return q @ bank.T.to(q.dtype)
