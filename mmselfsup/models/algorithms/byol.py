"""BYOL: Grill et al. 2020, "Bootstrap Your Own Latent: A New Approach to ...", NeurIPS.

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...utils.errors import ArgumentError
from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils import two_views
from .base import BaseModel


@ALGORITHMS.register_module()
class BYOL(BaseModel):
    """The online network predicts what a slow copy of it makes of the other view.

    The copy follows after each optimizer step: ``MomentumUpdateHook`` must stand in
    ``custom_hooks``, without it the target stays as it started.

    Args:
        backbone: The encoder f.
        neck: The projector g.
        head: The predictor q and the loss, ``LatentPredictHead``.
        base_momentum: Share of its old weights that the target keeps at the start (tau_base); the
            hook raises it to its ``end_momentum``.
        init_cfg: See ``BaseModel``.

    Differences from 0.x: the target starts equal to the online network, where 0.x drew the online
    network's weights anew after copying them.
    Difference from the paper: the loss is less by the constant 4, as in 0.x; gradients are equal.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.996,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if neck is None or head is None:
            raise ArgumentError(f"BYOL needs a neck and a head, got neck={neck}, head={head}")
        self.online_net = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.target_net = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.backbone, self.neck = self.online_net
        self.head = build_head(head)
        self.base_momentum = base_momentum
        self.momentum = base_momentum
        self.start_targets()

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """The online network leads the target; the predictor has no counterpart."""
        return [(self.online_net, self.target_net)]

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Images [N, C, H, W] -> features of the backbone."""
        return self.backbone(img)

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Equation 2 for both orders of the views (section 3.1).

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` in -4..4, the mean over the N images of this process.

        Raises:
            ArgumentError: Not two views.
        """
        first, second = two_views(img, self)
        online_1 = self.online_net(first)[0]  # [N, D]
        online_2 = self.online_net(second)[0]  # [N, D]
        with torch.no_grad():
            target_1 = self.target_net(first)[0]  # [N, D]
            target_2 = self.target_net(second)[0]  # [N, D]
        loss_12 = self.head(online_1, target_2)["loss"]
        loss_21 = self.head(online_2, target_1)["loss"]
        return {"loss": 2 * (loss_12 + loss_21)}
