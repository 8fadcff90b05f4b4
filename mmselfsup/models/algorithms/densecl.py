"""DenseCL: Wang et al. 2021, "Dense Contrastive Learning for Self-Supervised Visual ...", CVPR.

Letters: N images of this process, R processes, C channels, D width of a key, K keys in a queue,
L places of the dense projection.
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
from ..losses import dense_matches, queue_similarities, take_places
from ..utils import MAX_QUEUE_LEN, enqueue, fit_queue_len, new_queue, two_views
from ..utils.precision import widen
from .base import BaseModel


@ALGORITHMS.register_module()
class DenseCL(BaseModel):
    """MoCo v2 on whole images, and the same task for the places of their feature maps.

    Args:
        backbone: The encoder, with one feature map.
        neck: Both projections, ``DenseCLNeck``.
        head: The loss on similarities, ``ContrastiveHead``.
        queue_len: K, see ``MoCo``.
        feat_dim: D, the width of both projections.
        momentum: Share of its old weights that the key encoder keeps in each iteration.
        loss_lambda: Weight of the dense loss, 0 to 1; ``DenseCLHook`` holds it at 0 first.
        init_cfg: See ``BaseModel``.

    Differences from 0.x: those of ``MoCo``; with ``num_grid`` in the neck the features that
    are matched are pooled to the same grid, so that any grid works.
    """

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
        if neck is None or head is None:
            raise ArgumentError(f"DenseCL needs a neck and a head, got neck={neck}, head={head}")
        self.encoder_q = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.encoder_k = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.backbone = self.encoder_q[0]
        self.head = build_head(head)
        self.queue_len, self.momentum, self.loss_lambda = queue_len, momentum, loss_lambda
        for name in ("queue", "queue2"):  # of images, of places
            queue, pointer = new_queue(feat_dim, MAX_QUEUE_LEN if queue_len is None else queue_len)
            self.register_buffer(name, queue)  # [D, K]
            self.register_buffer(f"{name}_ptr", pointer)  # [1]
        self.start_targets()

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """The query encoder leads the key encoder."""
        return [(self.encoder_q, self.encoder_k)]

    def fit_dataset(self, size: DataInfo) -> None:
        """Check the length of the queues, or take it from the data."""
        self.queue_len = fit_queue_len(self.queue_len, size, self)
        self.queue = self.queue[:, : self.queue_len].clone()  # [D, K]
        self.queue2 = self.queue2[:, : self.queue_len].clone()  # [D, K]

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Images [N, C, H, W] -> features of the backbone."""
        return self.backbone(img)

    def encode(self, encoder: nn.Sequential, img: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images [N, 3, H, W] -> what the losses compare, projections L2-normalised.

        Returns:
            Features to match [N, C, L]; projections of the image [N, D], of its places [N, D, L],
            and of their mean [N, D].
        """
        maps = encoder[0](img)  # [[N, C, H', W']]
        projected = [F.normalize(widen(z), dim=1) for z in encoder[1](maps)]
        pool: Any = getattr(encoder[1], "pool_grid", nn.Identity())
        whole, dense, mean = projected  # [N, D], [N, D, L], [N, D]
        return pool(maps[0]).flatten(2), whole, dense, mean

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Equation 4: (1 - lambda) times the loss of images plus lambda times that of places.

        Args:
            img: The two views, query and key, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss_single`` (equation 1) and ``loss_dense`` (equation 2), both weighted.

        Raises:
            ArgumentError: Not two views.
        """
        im_q, im_k = two_views(img, self)
        maps_q, q, dense_q, _ = self.encode(self.encoder_q, im_q)
        maps_k, k, dense_k, mean_k = self.encode_keys(im_k)
        # Copies: the backward pass reads them, and new keys are written before that.
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
        """Key views [N, 3, H, W] -> as ``encode``, by way of shuffled batches."""
        if self.training:
            self.momentum_update()
        im_k, order = batch_shuffle_ddp(im_k)
        encoded = self.encode(self.encoder_k, im_k)
        return tuple(batch_unshuffle_ddp(part, order) for part in encoded)

    def forward_test(self, img: Tensor, **kwargs: Any) -> Any:
        """Images [N, 3, H, W] -> None, L2-normalised features of places [N, C, L], None."""
        maps = self.extract_feat(img)[0]  # [N, C, H', W']
        return None, F.normalize(widen(maps).flatten(2), dim=1), None
