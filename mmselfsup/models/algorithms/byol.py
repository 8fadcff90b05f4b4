"""BYOL: Grill et al. 2020, "Bootstrap Your Own Latent: A New Approach to ...", NeurIPS.

Letters: N images of this process, C channels, D width of a projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..builder import ALGORITHMS, build_backbone, build_head, build_neck
from ..utils import two_views
from .base import BaseModel, require


@ALGORITHMS.register_module()
class BYOL(BaseModel):
    """Self-distillation: the online network predicts the target network's output for another view.

    The target is a moving average of the online network, updated after each optimizer step:
    ``MomentumUpdateHook`` must be in ``custom_hooks``, without it the target never changes.

    Args:
        backbone: Config of the encoder f.
        neck: Config of the projector g; required.
        head: Config of the predictor q and the loss, ``LatentPredictHead``; required.
        base_momentum: Momentum of the target in the first iteration (tau_base), 0 to 1. The hook
            raises it on a cosine to its ``end_momentum`` at the end of the training.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.

    Difference from 0.x: the target starts equal to the online network, where 0.x drew the online
    network's weights again after copying them.
    Difference from the paper: the loss is smaller by the constant 4, as in 0.x; the gradients are
    equal.
    """

    title = "BYOL"
    family = "self-distillation"
    needed_hooks = ("MomentumUpdateHook",)

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        head: dict | None = None,
        base_momentum: float = 0.996,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        neck, head = require(self, neck=neck, head=head)
        self.online_net = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.target_net = nn.Sequential(build_backbone(backbone), build_neck(neck))
        self.backbone, self.neck = self.online_net
        self.head = build_head(head)
        self.base_momentum = base_momentum
        self.momentum = base_momentum
        self.start_targets()  # the two networks were built with different random weights

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the online and the target network; the predictor has no target."""
        return [(self.online_net, self.target_net)]

    def forward_train(self, img: Sequence[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        """Return the loss of equation 2 for both orders of the views (section 3.1).

        Args:
            img: The two views, each [N, C, H, W].
            **kwargs: The rest of the batch, unused.

        Returns:
            ``loss`` in -4..4, a float32 scalar: the mean over the N images of this process.

        Raises:
            ArgumentError: ``img`` doesn't hold two views.
        """
        first, second = two_views(img, self)
        online_1 = self.online_net(first)[0]  # [N, D]
        online_2 = self.online_net(second)[0]  # [N, D]
        with torch.no_grad():
            target_1 = self.target_net(first)[0]  # [N, D]
            target_2 = self.target_net(second)[0]  # [N, D]
        target_1, target_2 = self.targets(target_1, target_2)
        loss_12 = self.head(online_1, target_2)["loss"]
        loss_21 = self.head(online_2, target_1)["loss"]
        # |q - z|^2 = 2 - 2 cos for unit vectors. The head returns -cos; the constant is left out.
        return {"loss": 2 * (loss_12 + loss_21)}

    def targets(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is predicted, by default the target's projections [N, D] of both views."""
        return first, second
