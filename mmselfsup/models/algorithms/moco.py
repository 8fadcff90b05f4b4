"""MoCo: He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR.

MoCo v2 (Chen et al. 2020, "Improved Baselines with Momentum Contrastive Learning") is the same
with another neck, temperature and augmentation.
Letters: N images of this process, R processes, C channels, D width of a key, K keys in the queue.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...utils.batch_shuffle import batch_shuffle_ddp, batch_unshuffle_ddp
from ...utils.data_size import DataInfo
from ...utils.errors import ArgumentError
from ...utils.gather import concat_all_gather
from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..losses import queue_similarities
from ..utils import MAX_QUEUE_LEN, enqueue, fit_queue_len, new_queue, two_views
from ..utils.precision import widen
from .base import BaseModel


@ALGORITHMS.register_module()
class MoCo(BaseModel):
    """A query finds the key of the other view of its image among the keys of earlier batches.

    Args:
        backbone: The encoder.
        neck: The projection.
        head: The loss on similarities, ``ContrastiveHead``.
        queue_len: K, at least a batch of all processes. None takes it from the data, see
            ``fit_queue_len``; for data sets as large as ImageNet that is 0.x's 65536.
        feat_dim: D, the width that the neck gives.
        momentum: Share of its old weights that the key encoder keeps in each iteration.
        init_cfg: See ``BaseModel``.

    Differences from 0.x: the key encoder starts equal to the query encoder (section 3.2), where
    0.x drew the query encoder's weights anew after copying them; any queue length works, not only
    multiples of the batch; validation moves neither the key encoder nor the queue.
    """

    queue: Tensor
    queue_ptr: Tensor

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        queue_len: int | None = None,
        feat_dim: int = 128,
        momentum: float = 0.999,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if neck is None or head is None:
            raise ArgumentError(f"MoCo needs a neck and a head, got neck={neck}, head={head}")
        self.encoder_q = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.encoder_k = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.backbone, self.neck = self.encoder_q
        self.head = build_head(head)
        self.queue_len = queue_len
        self.momentum = momentum
        queue, pointer = new_queue(feat_dim, MAX_QUEUE_LEN if queue_len is None else queue_len)
        self.register_buffer("queue", queue)  # [D, K]
        self.register_buffer("queue_ptr", pointer)  # [1]
        self.start_targets()

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """The query encoder leads the key encoder."""
        return [(self.encoder_q, self.encoder_k)]

    def fit_dataset(self, size: DataInfo) -> None:
        """Check the length of the queue, or take it from the data."""
        self.queue_len = fit_queue_len(self.queue_len, size, self)
        self.queue = self.queue[:, : self.queue_len].clone()  # [D, K]

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Images [N, C, H, W] -> features of the backbone."""
        return self.backbone(img)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """InfoNCE (equation 1) with the queue as negatives, algorithm 1 of the paper.

        Args:
            img: The two views, query and key, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, the mean over the N queries of this process.

        Raises:
            ArgumentError: Not two views.
        """
        im_q, im_k = two_views(img, self)
        q = F.normalize(widen(self.encoder_q(im_q)[0]), dim=1)  # [N, D]
        k = self.encode_keys(im_k)  # [N, D]
        # A copy: the backward pass reads it, and new keys are written before that.
        pos, neg = queue_similarities(q, k, self.queue.clone())  # [N, 1], [N, K]
        losses = self.head(pos, neg)
        if self.training:
            enqueue(self.queue, self.queue_ptr, concat_all_gather(k))
        return losses

    @torch.no_grad()
    def encode_keys(self, im_k: Tensor) -> Tensor:
        """Key views [N, C, H, W] -> keys [N, D], L2-normalised (section 3.3: shuffled batches)."""
        if self.training:
            self.momentum_update()
        im_k, order = batch_shuffle_ddp(im_k)
        k = F.normalize(widen(self.encoder_k(im_k)[0]), dim=1)  # [N, D]
        return batch_unshuffle_ddp(k, order)
