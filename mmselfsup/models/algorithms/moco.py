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

from mmselfsup.utils.batch_shuffle import batch_shuffle_ddp, batch_unshuffle_ddp
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.gather import concat_all_gather

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..losses import queue_similarities
from ..utils import MAX_QUEUE_LEN, enqueue, fit_queue_len, new_queue, two_views
from ..utils.precision import to_float32
from .base import BaseModel, require


@ALGORITHMS.register_module()
class MoCo(BaseModel):
    """Contrastive learning of a query and its key against a queue of keys of earlier batches.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss on similarities, ``ContrastiveHead``; required.
        queue_len: K, at least a batch of all processes. None derives it from the number of training
            images, see ``fit_queue_len``; for data sets as large as ImageNet that is 0.x's 65536.
        feat_dim: D, the width of a key; must equal ``out_channels`` of the neck.
        momentum: Momentum of the key encoder in each step of the optimizer, 0 to 1.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.

    Differences from 0.x: the key encoder starts equal to the query encoder (section 3.2), where
    0.x drew the query encoder's weights again after copying them; any queue length works, not only
    multiples of the batch; validation changes neither the key encoder nor the queue.
    """

    title = "MoCo"
    family = "contrastive"

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
        neck, head = require(self, neck=neck, head=head)
        self.encoder_q = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.encoder_k = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.backbone, self.neck = self.encoder_q
        self.head = build_head(head)
        self.queue_len = queue_len
        self.momentum = momentum
        # The data are not known yet: without a length, ``fit_dataset`` shortens the longest queue.
        queue, pointer = new_queue(feat_dim, MAX_QUEUE_LEN if queue_len is None else queue_len)
        self.register_buffer("queue", queue)  # [D, K]
        self.register_buffer("queue_ptr", pointer)  # [1]
        self.start_targets()

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the query encoder (online) and the key encoder (target)."""
        return [(self.encoder_q, self.encoder_k)]

    def fit_dataset(self, size: DataInfo) -> None:
        """Check the length of the queue, or derive it from the training data.

        Raises:
            UserError: See ``fit_queue_len``.
        """
        self.queue_len = fit_queue_len(self.queue_len, size, self)
        self.queue = self.queue[:, : self.queue_len].clone()  # [D, K]

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return InfoNCE (equation 1) with the queue as negatives, algorithm 1 of the paper.

        Args:
            img: The two views, query and key, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the N queries of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        im_q, im_k = two_views(img, self)
        q = F.normalize(to_float32(self.encoder_q(im_q)[0]), dim=1)  # [N, D]
        k = self.encode_keys(im_k)  # [N, D]
        # The queue is copied: the backward pass needs its values of now, and ``enqueue`` below
        # overwrites some of them before it runs.
        pos, neg = queue_similarities(q, k, self.queue.clone())  # [N, 1], [N, K]
        losses = self.head(pos, neg)
        if self.training:
            enqueue(self.queue, self.queue_ptr, concat_all_gather(k))
        return losses

    @torch.no_grad()
    def encode_keys(self, im_k: Tensor) -> Tensor:
        """Return the keys [N, D] of key views [N, C, H, W], L2-normalised, float32.

        Batches are shuffled over the processes (section 3.3): batch normalisation within a process
        would otherwise tell which images belong together. In training the key encoder is updated
        first, once a step of the optimizer.
        """
        self.momentum_update_in_forward()
        im_k, order = batch_shuffle_ddp(im_k)
        k = F.normalize(to_float32(self.encoder_k(im_k)[0]), dim=1)  # [N, D]
        return batch_unshuffle_ddp(k, order)
