"""Rotation prediction: Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting
Image Rotations", ICLR.

Letters: N images, P = 4 rotations of each, C channels.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...utils.errors import ArgumentError
from ..builder import ALGORITHMS, build_backbone, build_head
from ..utils.views import one_label_each
from .base import BaseModel
from .classification import head_names


@ALGORITHMS.register_module()
class RotationPred(BaseModel):
    """By how many quarter turns was an image rotated?

    Args:
        backbone: The encoder.
        head: The classifier of the 4 rotations.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: Without a head.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if head is None:
            raise ArgumentError(f"RotationPred needs a head, got head={head}")
        self.backbone = build_backbone(backbone)
        self.head = build_head(head)

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Images [N, C, H, W] -> features of the backbone."""
        return self.backbone(img)

    def score_rotations(self, img: Tensor) -> list[Tensor]:
        """Rotated images [N, P, C, H, W] or [N*P, C, H, W] -> logits [[N*P, 4]]."""
        rotated = img.flatten(0, 1) if img.dim() == 5 else img  # [N*P, C, H, W]
        return self.head(self.extract_feat(rotated))

    def forward_train(
        self, img: Tensor, rot_label: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Cross entropy of the rotations (equation 3 of the paper, its mean over a batch).

        Args:
            img: See ``score_rotations``.
            rot_label: Quarter turns of each, 0 to 3, [N, P] or [N*P].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` and ``acc`` of the head.
        """
        if rot_label is None:
            raise ArgumentError("RotationPred needs rot_label, as RotationPredDataset gives it")
        scores = self.score_rotations(img)  # [[N*P, 4]]
        return self.head.loss(scores, one_label_each(rot_label, len(scores[0]), self))

    def forward_test(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Logits [N*P, 4] on the CPU, under the head's name such as ``head4``."""
        scores = self.score_rotations(img)
        names = head_names(self.backbone, len(scores))
        return {name: s.float().cpu() for name, s in zip(names, scores, strict=True)}

    def forward(  # type: ignore[override]
        self, img: Any, rot_label: Any = None, mode: str = "train", **kwargs: Any
    ) -> Any:
        """See ``BaseModel.forward``; the label may come by position, as in 0.x."""
        return super().forward(img, mode=mode, rot_label=rot_label, **kwargs)
