"""Rotation prediction: a pretext task that classifies by which angle an image is rotated.

Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting Image Rotations", ICLR.

Letters: N images, P = 4 rotations of each, C channels, H, W size of an image.
"""

from typing import Any

from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS, build_backbone, build_head
from ..utils.views import one_label_each
from .base import BaseModel, require
from .classification import head_names


@ALGORITHMS.register_module()
class RotationPred(BaseModel):
    """The pretext task of classifying by how many quarter turns an image was rotated.

    Args:
        backbone: Config of the encoder.
        head: Config of the classifier of the 4 rotations, ``ClsHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The head is missing.
    """

    title = "Rotation prediction"
    family = "pretext task"

    def __init__(
        self,
        backbone: dict,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        (head,) = require(self, head=head)
        self.backbone = build_backbone(backbone)
        self.head = build_head(head)

    def score_rotations(self, img: Tensor) -> list[Tensor]:
        """Return the logits [[N*P, 4]] of rotated images [N, P, C, H, W] or [N*P, C, H, W]."""
        rotated = img.flatten(0, 1) if img.dim() == 5 else img  # [N*P, C, H, W]
        return self.head(self.extract_feat(rotated))

    def forward_train(
        self, img: Tensor, rot_label: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the cross entropy of the rotations (equation 3, averaged over the batch).

        Args:
            img: See ``score_rotations``.
            rot_label: Quarter turns of each, 0 to 3, [N, P] or [N*P] (int64); required.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, the mean over the rotated images of this process, and ``acc`` in percent.

        Raises:
            ArgumentError: The labels are missing, or their number is not that of the images.
        """
        if rot_label is None:
            raise ArgumentError("RotationPred needs rot_label, as RotationPredDataset gives it")
        scores = self.score_rotations(img)  # [[N*P, 4]]
        return self.head.loss(scores, one_label_each(rot_label, len(scores[0]), self))

    def forward_test(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the logits [N*P, 4], float32 on the CPU, under a name such as ``head4``."""
        scores = self.score_rotations(img)
        names = head_names(self.backbone, len(scores))
        return {name: s.float().cpu() for name, s in zip(names, scores, strict=True)}

    def forward(  # type: ignore[override]
        self, img: Any, rot_label: Any = None, mode: str = "train", **kwargs: Any
    ) -> Any:
        """Run one of the three passes; see ``BaseModel.forward``.

        ``rot_label`` comes before ``mode``, because 0.x's callers pass it by position.
        """
        return super().forward(img, mode=mode, rot_label=rot_label, **kwargs)
