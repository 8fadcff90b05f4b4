"""NPID: Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance ...", CVPR.

Letters: N images of this process, C channels, K negatives of an image, L training images, D width
of a feature.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError

from ..builder import ALGORITHMS, build_backbone, build_head, build_memory, build_neck
from ..losses import drawn_similarities
from ..memories.base import FeatureBank
from ..utils.precision import to_float32
from ..utils.views import whole_image
from .base import BaseModel, require


@ALGORITHMS.register_module()
class NPID(BaseModel):
    """Instance discrimination: every image is its own class, compared through a memory bank.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; None uses the features of the backbone, flattened.
        head: Config of the loss on similarities, ``ContrastiveHead``; required.
        memory_bank: Config of the bank with the features of all images, ``SimpleMemory``; required.
        neg_num: K, at least 1.
        ensure_neg: Whether an image is never drawn as its own negative.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The head or the memory bank is missing, or ``neg_num`` is below 1.

    Difference from the paper, as in 0.x: the loss is a softmax over the positive and the drawn
    negatives instead of NCE with an estimated constant Z (equations 3 to 8), without proximal
    regularisation (equation 9).
    """

    title = "NPID"
    family = "contrastive"

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
        head, memory_bank = require(self, head=head, memory_bank=memory_bank)
        if neg_num < 1:
            raise ArgumentError(f"neg_num must be at least 1, got {neg_num}")
        self.backbone = build_backbone(backbone)
        self.neck = None if neck is None else build_neck(neck)
        self.head = build_head(head)
        self.memory_bank: Any = build_memory(memory_bank)
        self.neg_num, self.ensure_neg = neg_num, ensure_neg

    def fit_dataset(self, size: DataInfo) -> None:
        """Check that the training data have a negative for every image.

        Raises:
            UserError: Fewer than two images.
        """
        if size.num_images < 2:
            raise UserError(f"NPID needs 2 training images or more, got {size.num_images}")

    def forward_train(self, img: Tensor, idx: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of each image against K others, then update its row of the bank.

        Args:
            img: Images [N, C, H, W].
            idx: Their indices in the data set, [N] (int64), 0..L-1.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, a float32 scalar, at least 0: the mean over the images of this process.

        Raises:
            ArgumentError: The bank has no length yet, see ``FeatureBank``.
        """
        feature = self.extract_feat(img)  # one entry
        if self.neck is not None:
            feature = self.neck(feature)
        v = F.normalize(to_float32(whole_image(feature, self)).flatten(1), dim=1)  # [N, D]
        # ``update`` below changes rows of the bank before the backward pass runs.
        if isinstance(self.memory_bank, FeatureBank):
            similarity = self.memory_bank.products(v)  # [N, L]
        else:  # of another kind, which may not know its readers
            similarity = v @ self.memory_bank.feature_bank.clone().T.to(v.dtype)
        pos, neg = drawn_similarities(similarity, idx, self.draw_negatives(idx))  # [N, 1], [N, K]
        losses = self.head(pos, neg)
        if self.training:  # in validation ``idx`` refers to another data set
            self.memory_bank.update(idx, v.detach())
        return losses

    @torch.no_grad()
    def draw_negatives(self, idx: Tensor) -> Tensor:
        """Return K random rows of the bank for each image in ``idx``, with replacement.

        With ``ensure_neg`` an image that drew itself gets one of the L - 1 others instead.

        Args:
            idx: Indices of the images, [N] (int64).

        Returns:
            Indices [N, K] (int64), 0..L-1.
        """
        num, length = len(idx), len(self.memory_bank.feature_bank)
        drawn = self.memory_bank.multinomial.draw(num * self.neg_num).view(num, -1)  # [N, K]
        if not self.ensure_neg:
            return drawn
        # Every entry draws a substitute: selecting the entries that need one would wait for the
        # device.
        own = idx[:, None]  # [N, 1]
        other = torch.randint(length - 1, drawn.shape, device=drawn.device)  # [N, K]
        other = other + (other >= own)  # skips the own index, so all others are equally likely
        return torch.where(drawn == own, other, drawn)
