"""Relative location: Doersch et al. 2015, "Unsupervised Visual Representation Learning by Context
Prediction", ICCV.

Letters: N images, P = 8 pairs of patches, C channels of a patch.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...utils.errors import ArgumentError
from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils.views import one_label_each
from .base import BaseModel
from .classification import head_names


@ALGORITHMS.register_module()
class RelativeLoc(BaseModel):
    """Where does a patch lie beside the centre of its image?

    Args:
        backbone: The encoder, shared by both patches of a pair.
        neck: The layer on the joined features, ``RelativeLocNeck``.
        head: The classifier of the 8 places.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: Without a neck or a head.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if neck is None or head is None:
            raise ArgumentError(
                f"RelativeLoc needs a neck and a head, got neck={neck}, head={head}"
            )
        self.backbone = build_backbone(backbone)
        self.neck = build_neck(neck)
        self.head = build_head(head)

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Images or patches [N, C, H, W] -> features of the backbone."""
        return self.backbone(img)

    def score_pairs(self, img: Tensor) -> list[Tensor]:
        """Pairs [N, P, 2C, H, W] or [N*P, 2C, H, W] -> logits [[N*P, 8]].

        A pair is the outer patch and the centre, one behind the other in the channels.
        """
        pairs = img.flatten(0, 1) if img.dim() == 5 else img  # [N*P, 2C, H, W]
        outer, centre = pairs.chunk(2, dim=1)  # [N*P, C, H, W] each
        features = zip(self.extract_feat(outer), self.extract_feat(centre), strict=True)
        joined = [torch.cat(pair, dim=1) for pair in features]
        return self.head(self.neck(joined))

    def forward_train(
        self, img: Tensor, patch_label: Tensor | None = None, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Cross entropy of the places.

        Args:
            img: See ``score_pairs``.
            patch_label: Place of the outer patch, 0 to 7, [N, P] or [N*P].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` and ``acc`` of the head.
        """
        if patch_label is None:
            raise ArgumentError("RelativeLoc needs patch_label, as RelativeLocDataset gives it")
        scores = self.score_pairs(img)  # [[N*P, 8]]
        return self.head.loss(scores, one_label_each(patch_label, len(scores[0]), self))

    def forward_test(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Logits [N*P, 8] on the CPU, under the head's name such as ``head4``."""
        scores = self.score_pairs(img)
        names = head_names(self.backbone, len(scores))
        return {name: s.float().cpu() for name, s in zip(names, scores, strict=True)}

    def forward(  # type: ignore[override]
        self, img: Any, patch_label: Any = None, mode: str = "train", **kwargs: Any
    ) -> Any:
        """See ``BaseModel.forward``; the label may come by position, as in 0.x."""
        return super().forward(img, mode=mode, patch_label=patch_label, **kwargs)
