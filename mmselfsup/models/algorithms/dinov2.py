"""DINOv2: Oquab et al. 2023, "DINOv2: Learning Robust Visual Features without Supervision", TMLR.

Letters: N images of this process, G global views, C channels.
"""

from typing import Any

import torch
from torch import Tensor

from ..builder import ALGORITHMS
from ..losses import koleo
from ..utils.needs import Needs
from ..utils.ranges import check_at_least
from .ibot import IBOT


@ALGORITHMS.register_module()
class DINOv2(IBOT):
    """iBOT with a projection of its own for patches, Sinkhorn-Knopp, and spread class tokens.

    Section 4. It is made for many images; with few, continue from given weights.

    Args:
        backbone: Config of the encoder, ``IBOTViT``.
        neck: Config of both projections, ``DINONeck``; required.
        head: Config of centring and losses, ``IBOTHead`` with ``centring="sinkhorn"``; required.
        koleo_weight: Weight of the KoLeo regulariser of the class tokens of each global view, at
            least 0; 0 switches it off.
        **kwargs: Other arguments of ``IBOT``.

    Raises:
        ArgumentError: The neck or the head is missing, or ``koleo_weight`` is below 0.
    """

    title = "DINOv2"
    family = "self-distillation"
    untied_heads = True
    needs = Needs(
        images=1_000_000,
        why="its published runs have 14 to 142 million images",
        instead="start from given weights: load_from and adapt, see docs/en/algorithms/dinov2.md",
    )

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        koleo_weight: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, neck, head, **kwargs)
        check_at_least(0, koleo_weight=koleo_weight)
        self.koleo_weight = koleo_weight

    def regularise(self, features: Tensor) -> dict[str, Tensor]:
        """Return ``loss_koleo`` of the student's class tokens [G, N, C], the mean over the views.

        Views are taken one by one: two views of an image must not be pushed apart.
        """
        if not self.koleo_weight:
            return {}
        parts = torch.stack([koleo(view) for view in features])
        return {"loss_koleo": self.koleo_weight * parts.mean()}
