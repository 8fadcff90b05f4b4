"""Relative location: a pretext task that classifies where one patch lies next to another.

Doersch et al. 2015, "Unsupervised Visual Representation Learning by Context Prediction", ICCV.

Letters: N images, P = 8 pairs of patches, C channels of a patch, H, W size of a patch.
"""

from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils.views import one_label_each, whole_image
from .base import BaseModel, require
from .classification import head_names


@ALGORITHMS.register_module()
class RelativeLoc(BaseModel):
    """The pretext task of classifying the position of a patch relative to the centre patch.

    Args:
        backbone: Config of the encoder, shared by both patches of a pair.
        neck: Config of the layer on the joined features, ``RelativeLocNeck``; required.
        head: Config of the classifier of the 8 positions, ``ClsHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "Relative location"
    family = "pretext task"

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)

    def score_pairs(self, img: Tensor) -> list[Tensor]:
        """Return the logits [[N*P, 8]] of pairs of patches.

        Args:
            img: Pairs [N, P, 2C, H, W] or [N*P, 2C, H, W]; the first C channels are the outer
                patch, the last C channels the centre patch.
        """
        pairs = img.flatten(0, 1) if img.dim() == 5 else img  # [N*P, 2C, H, W]
        outer, centre = pairs.chunk(2, dim=1)  # [N*P, C, H, W] each
        features = [whole_image(self.extract_feat(part), self) for part in (outer, centre)]
        return self.head(self.neck([torch.cat(features, dim=1)]))

    def forward_train(
        self, img: Tensor, patch_label: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Return the cross entropy of the positions.

        Args:
            img: See ``score_pairs``.
            patch_label: Position of the outer patch, 0 to 7, [N, P] or [N*P] (int64); required.
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss``, the mean over the pairs of this process, and ``acc`` in percent.

        Raises:
            ArgumentError: The labels are missing, or their number is not that of the pairs.
        """
        if patch_label is None:
            raise ArgumentError("RelativeLoc needs patch_label, as RelativeLocDataset gives it")
        scores = self.score_pairs(img)  # [[N*P, 8]]
        return self.head.loss(scores, one_label_each(patch_label, len(scores[0]), self))

    def forward_test(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the logits [N*P, 8], float32 on the CPU, under a name such as ``head4``."""
        scores = self.score_pairs(img)
        names = head_names(self.backbone, len(scores))
        return {name: s.float().cpu() for name, s in zip(names, scores, strict=True)}

    def forward(  # type: ignore[override]
        self, img: Any, patch_label: Any = None, mode: str = "train", **kwargs: Any
    ) -> Any:
        """Run one of the three passes; see ``BaseModel.forward``.

        ``patch_label`` comes before ``mode``, because 0.x's callers pass it by position.
        """
        return super().forward(img, mode=mode, patch_label=patch_label, **kwargs)
