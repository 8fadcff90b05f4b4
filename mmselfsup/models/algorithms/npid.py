"""NPID: Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance ...", CVPR.

Letters: N images, C channels, K negatives of an image, L training images, D width of a feature.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...utils.data_size import DataInfo
from ...utils.errors import ArgumentError, UserError
from ..builder import ALGORITHMS, build_backbone, build_head, build_memory, build_neck
from ..losses import sampled_similarities
from ..utils.precision import widen
from .base import BaseModel


@ALGORITHMS.register_module()
class NPID(BaseModel):
    """Every image is a class of its own, told from the others by its feature in a memory bank.

    Args:
        backbone: The encoder.
        neck: The projection; None takes the features of the backbone as they are.
        head: The loss on similarities, ``ContrastiveHead``.
        memory_bank: The features of all images, ``SimpleMemory``.
        neg_num: K.
        ensure_neg: Never draw an image as its own negative.
        init_cfg: See ``BaseModel``.

    Difference from the paper, as in 0.x: the loss is a softmax over the positive and the drawn
    negatives instead of NCE with an estimated constant Z (equations 3 to 8), and there is no
    proximal regularisation (equation 9).
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        memory_bank: dict | None = None,
        neg_num: int = 65536,
        ensure_neg: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if head is None or memory_bank is None:
            raise ArgumentError(
                f"NPID needs a head and a memory_bank, got head={head}, memory_bank={memory_bank}"
            )
        if neg_num < 1:
            raise ArgumentError(f"neg_num must be at least 1, got {neg_num}")
        self.backbone = build_backbone(backbone)
        self.neck = None if neck is None else build_neck(neck)
        self.head = build_head(head)
        self.memory_bank: Any = build_memory(memory_bank)
        self.neg_num, self.ensure_neg = neg_num, ensure_neg

    def fit_dataset(self, size: DataInfo) -> None:
        """Refuse a single image, which has no negative.

        Raises:
            UserError: Fewer than two images.
        """
        if size.num_images < 2:
            raise UserError(f"NPID needs 2 training images or more, got {size.num_images}")

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Images [N, C, H, W] -> features of the backbone."""
        return self.backbone(img)

    def forward_train(self, img: Tensor, idx: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """The loss of telling each image from K others; then its row of the bank is updated.

        Args:
            img: Images [N, C, H, W].
            idx: Their places in the data set, [N].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, the mean over the images of this process.
        """
        feature = self.extract_feat(img)  # one entry
        if self.neck is not None:
            feature = self.neck(feature)
        v = F.normalize(widen(feature[0]).flatten(1), dim=1)  # [N, D]
        # A copy: the rows change below, before the backward pass reads them.
        bank = self.memory_bank.feature_bank.clone()  # [L, D]
        pos, neg = sampled_similarities(v, bank, idx, self.draw_negatives(idx))  # [N, 1], [N, K]
        losses = self.head(pos, neg)
        if self.training:  # in validation idx counts other images
            self.memory_bank.update(idx, v.detach())
        return losses

    @torch.no_grad()
    def draw_negatives(self, idx: Tensor) -> Tensor:
        """K images for each of the N in ``idx``, with replacement: [N] -> [N, K].

        With ``ensure_neg`` an image that drew itself gets one of the L - 1 others instead. All
        places draw a substitute, so that nothing waits for the device to say which need one.
        """
        num, length = len(idx), len(self.memory_bank.feature_bank)
        drawn = self.memory_bank.multinomial.draw(num * self.neg_num).view(num, -1)  # [N, K]
        if not self.ensure_neg:
            return drawn
        own = idx[:, None]  # [N, 1]
        other = torch.randint(length - 1, drawn.shape, device=drawn.device)  # [N, K]
        other = other + (other >= own)  # leaves the own place out
        return torch.where(drawn == own, other, drawn)
