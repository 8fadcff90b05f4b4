"""DenseCL: Wang et al. 2021, "Dense Contrastive Learning for Self-Supervised Visual ...", CVPR.

Letters: N images of this process, R processes, C channels, D width of a key, K keys in a queue,
L places of the dense projection.
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
from ..losses import dense_matches, queue_similarities, take_places
from ..utils import MAX_QUEUE_LEN, enqueue, fit_queue_len, new_queue, spatial_map, two_views
from ..utils.precision import to_float32
from .base import BaseModel, require


@ALGORITHMS.register_module()
class DenseCL(BaseModel):
    """MoCo v2 on whole images, and the same contrastive task on the places of feature maps.

    Args:
        backbone: Config of the encoder, which returns one feature map.
        neck: Config of both projections, ``DenseCLNeck``; required.
        head: Config of the loss on similarities, ``ContrastiveHead``; required.
        queue_len: K of both queues, see ``MoCo``.
        feat_dim: D, the width of both projections; must equal ``out_channels`` of the neck.
        momentum: Momentum of the key encoder in each step of the optimizer, 0 to 1.
        loss_lambda: Weight of the dense loss, 0 to 1; ``DenseCLHook`` sets it to 0 for the first
            iterations.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.

    Differences from 0.x: those of ``MoCo``; with ``num_grid`` in the neck the features to match
    are pooled to the same grid, so that any grid works.
    """

    title = "DenseCL"
    family = "contrastive"

    queue: Tensor
    queue_ptr: Tensor
    queue2: Tensor
    queue2_ptr: Tensor

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        queue_len: int | None = None,
        feat_dim: int = 128,
        momentum: float = 0.999,
        loss_lambda: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.encoder_q = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.encoder_k = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.backbone = self.encoder_q[0]
        self.head = build_head(head)
        self.queue_len, self.momentum, self.loss_lambda = queue_len, momentum, loss_lambda
        # The data are not known yet: without a length, ``fit_dataset`` shortens the longest queues.
        for name in ("queue", "queue2"):  # of images, of places
            queue, pointer = new_queue(feat_dim, MAX_QUEUE_LEN if queue_len is None else queue_len)
            self.register_buffer(name, queue)  # [D, K]
            self.register_buffer(f"{name}_ptr", pointer)  # [1]
        self.start_targets()

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the query encoder (online) and the key encoder (target)."""
        return [(self.encoder_q, self.encoder_k)]

    def fit_dataset(self, size: DataInfo) -> None:
        """Check the length of the queues, or derive it from the training data.

        Raises:
            UserError: See ``fit_queue_len``.
        """
        self.queue_len = fit_queue_len(self.queue_len, size, self)
        self.queue = self.queue[:, : self.queue_len].clone()  # [D, K]
        self.queue2 = self.queue2[:, : self.queue_len].clone()  # [D, K]

    def encode(self, encoder: nn.Sequential, img: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the features and L2-normalised projections that the losses compare.

        Args:
            encoder: Backbone and neck.
            img: Images [N, 3, H, W].

        Returns:
            Features to match [N, C, L]; projections of the image [N, D], of its places [N, D, L],
            and of their mean [N, D]. Projections are float32 under mixed precision too.
        """
        maps = encoder[0](img)  # [[N, C, H', W']]
        projected = [F.normalize(to_float32(z), dim=1) for z in encoder[1](maps)]
        # Features and dense projections must be on the same grid to be matched place by place.
        pool: Any = getattr(encoder[1], "pool_grid", nn.Identity())
        whole, dense, mean = projected  # [N, D], [N, D, L], [N, D]
        return pool(maps[0]).flatten(2), whole, dense, mean

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the two terms of equation 4: the loss of images and that of places.

        Args:
            img: The two views, query and key, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss_single``, (1 - lambda) times equation 1, and ``loss_dense``, lambda times
            equation 2; float32 scalars, at least 0, means over the N queries of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        im_q, im_k = two_views(img, self)
        maps_q, q, dense_q, _ = self.encode(self.encoder_q, im_q)
        maps_k, k, dense_k, mean_k = self.encode_keys(im_k)
        # The queues are copied: the backward pass needs their values of now, and ``enqueue`` below
        # overwrites some of them before it runs.
        single = self.head(*queue_similarities(q, k, self.queue.clone()))["loss"]
        matched = take_places(dense_k, dense_matches(maps_q, maps_k))  # [N, D, L]
        rows_q, rows_k = (z.transpose(1, 2).flatten(0, 1) for z in (dense_q, matched))  # [N*L, D]
        dense = self.head(*queue_similarities(rows_q, rows_k, self.queue2.clone()))["loss"]
        if self.training:
            enqueue(self.queue, self.queue_ptr, concat_all_gather(k))
            enqueue(self.queue2, self.queue2_ptr, concat_all_gather(mean_k))
        return {
            "loss_single": single * (1 - self.loss_lambda),
            "loss_dense": dense * self.loss_lambda,
        }

    @torch.no_grad()
    def encode_keys(self, im_k: Tensor) -> tuple[Tensor, ...]:
        """Return what ``encode`` returns for key views [N, 3, H, W], by way of shuffled batches.

        In training the key encoder is updated first, once a step of the optimizer.
        """
        self.momentum_update_in_forward()
        im_k, order = batch_shuffle_ddp(im_k)
        encoded = self.encode(self.encoder_k, im_k)
        return tuple(batch_unshuffle_ddp(part, order) for part in encoded)

    def forward_test(self, img: Tensor, **kwargs: Any) -> Any:
        """Return (None, L2-normalised features of places [N, C, L], None), as in 0.x.

        Args:
            img: Images [N, 3, H, W].
            **kwargs: The rest of the batch, unused.
        """
        maps = spatial_map(self.extract_feat(img)[0])  # [N, C, H', W']
        return None, F.normalize(to_float32(maps).flatten(2), dim=1), None
