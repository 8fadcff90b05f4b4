"""The losses of iBOT and DINOv2.

Letters: V views, G global ones, N images of this process, L places of a global view, M masked
places of all of them, K outputs.
"""

from typing import Any

from torch import Tensor

from ..builder import HEADS
from ..losses import masked_token_prediction
from ..utils import full_precision
from ..utils.centring import Centring
from ..utils.ranges import check_at_least
from .dino_head import DINOHead


@HEADS.register_module()
class IBOTHead(DINOHead):
    """DINO's loss of class tokens, and the same for the tokens of masked patches.

    Zhou et al. 2022 (iBOT), equations 2 and 3. The teacher's outputs for patches have a centre of
    their own, and the temperatures of the class tokens.

    Args:
        feat_dim: K, the neck's ``out_channels``.
        patch_weight: Weight of the loss of the patches, at least 0.
        **kwargs: Other arguments of ``DINOHead``.

    Raises:
        ArgumentError: ``patch_weight`` is below 0, or see ``DINOHead``.

    Difference from iBOT's code: the centre of the patches follows the masked ones, as in DINOv2,
    not all of them.
    """

    def __init__(self, feat_dim: int, patch_weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(feat_dim, **kwargs)
        check_at_least(0, patch_weight=patch_weight)
        self.patch_weight = patch_weight
        own = self.centring
        self.patch_centring = Centring(feat_dim, own.kind, own.momentum, own.iterations)

    @full_precision
    def forward(  # type: ignore[override]
        self,
        student: Tensor,
        teacher: Tensor,
        student_patches: Tensor,
        teacher_patches: Tensor,
        mask: Tensor,
    ) -> dict[str, Tensor]:
        """Return ``loss_cls`` and ``loss_patch``, float32 scalars, at least 0.

        Args:
            student: Scores of the student's class tokens for all views, [V, N, K], global first.
            teacher: Those of the teacher for the global views, [G, N, K].
            student_patches: Scores of the student at masked places, [M, K].
            teacher_patches: Scores of the teacher at the same places of whole images, [M, K].
            mask: True at masked places of the global views, [G*N, L].
        """
        losses = super().forward(student, teacher)
        targets = self.patch_centring(teacher_patches, self.teacher_temperature)  # [M, K]
        patches = masked_token_prediction(student_patches, targets, mask, self.student_temperature)
        return {
            "loss_cls": losses["loss"],
            "loss_patch": self.patch_weight * patches,
            "target_entropy": losses["target_entropy"],
        }
