"""The linear classifier of images that may be of several classes. Letters: N batch, C classes."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..builder import HEADS, LINEAR_INIT
from ..losses.class_balanced import given_weights
from ..utils import only_feature
from .cls_head import ClsHead


@HEADS.register_module()
class MultiLabelClsHead(ClsHead):
    """A linear layer with one binary cross entropy for each class.

    An image may be of several classes, or of none: its label is a list of 0 and 1, one for each
    class. A class whose label is negative is not known for an image, and left out of its loss.

    Args:
        with_avg_pool, in_channels, num_classes, vit_backbone, init_cfg: See ``ClsHead``.
        class_weight: Weight of the images that are of a class, C numbers (``pos_weight`` of
            ``binary_cross_entropy_with_logits``); None for 1.

    Raises:
        ArgumentError: See ``given_weights``.
    """

    #: Each class is a question of its own: scores are sigmoids, metrics those of several labels.
    multi_label = True

    def __init__(
        self,
        with_avg_pool: bool = False,
        in_channels: int = 2048,
        num_classes: int = 1000,
        vit_backbone: bool = False,
        init_cfg: dict | list[dict] | None = LINEAR_INIT,
        class_weight: Sequence[float] | None = None,
    ) -> None:
        super().__init__(with_avg_pool, in_channels, num_classes, vit_backbone, init_cfg)
        weight = torch.ones(num_classes)
        if class_weight is not None:
            weight = given_weights(class_weight, num_classes, "class_weight")
        self.positive_weight: Tensor
        self.register_buffer("positive_weight", weight, persistent=False)

    def loss(self, cls_score: Sequence[Tensor], labels: Tensor) -> dict[str, Any]:
        """Return the loss and the accuracy of one batch.

        Args:
            cls_score: Logits [[N, C]], from ``forward``.
            labels: 0 or 1 for each class, negative where it is not known, [N, C].

        Returns:
            ``loss``, the mean over all known labels, and ``acc``, the share of them that is on
            the right side of probability 0.5, in percent; both scalars.
        """
        score = only_feature(cls_score, self).float()  # [N, C]
        known = labels >= 0  # [N, C]
        truth = labels.clamp(min=0).to(score.dtype)
        each = F.binary_cross_entropy_with_logits(
            score, truth, pos_weight=self.positive_weight, reduction="none"
        )  # [N, C]
        count = known.sum().clamp(min=1)
        right = ((score > 0) == (labels > 0)) & known
        return {"loss": (each * known).sum() / count, "acc": 100.0 * right.sum() / count}
