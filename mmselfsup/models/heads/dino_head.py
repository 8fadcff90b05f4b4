"""The loss of DINO. Letters: V views, G global ones, N images of this process, K outputs."""

import torch
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import check_temperature, swapped_prediction
from ..utils import full_precision
from ..utils.centring import Centring


@HEADS.register_module()
class DINOHead(BaseModule):
    """The cross-entropy between the teacher's outputs for global views and the student's.

    Caron et al. 2021 (DINO), equations 2 to 4: every view of the student but the same one predicts
    the output of the teacher for each global view.

    Args:
        feat_dim: K, the neck's ``out_channels``.
        num_global: G, how many of the first views the teacher sees, at least 1.
        student_temperature: Temperature of the student, above 0.
        teacher_temperature: Temperature of the teacher, above 0. ``ScheduleHook`` changes it as
            ``model.head.teacher_temperature``.
        centring: ``"mean"``, ``"sinkhorn"`` or ``"none"``, see ``Centring``.
        center_momentum: Momentum of the centre, 0 to 1.
        sinkhorn_iterations: Iterations of Sinkhorn-Knopp.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self,
        feat_dim: int,
        num_global: int = 2,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        centring: str = "mean",
        center_momentum: float = 0.9,
        sinkhorn_iterations: int = 3,
    ) -> None:
        super().__init__()
        check_temperature(student_temperature)
        check_temperature(teacher_temperature)
        if num_global < 1:
            raise ArgumentError(f"num_global must be from 1, got {num_global}")
        self.num_global = num_global
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.centring = Centring(feat_dim, centring, center_momentum, sinkhorn_iterations)

    @full_precision
    def forward(self, student: Tensor, teacher: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0: the mean over the images of this process.

        ``target_entropy`` is logged: log K where the teacher's outputs are all alike, near 0 where
        one output takes everything. Both at once over training are signs of collapse (figure 7).

        Args:
            student: Scores of the student for all views, [V, N, K], the global ones first.
            teacher: Scores of the teacher for the global views, [G, N, K].
        """
        targets = self.centring(teacher, self.teacher_temperature)  # [G, N, K]
        views = range(self.num_global)
        loss = swapped_prediction(student, targets, views, self.student_temperature)
        entropy = torch.special.entr(targets).sum(dim=2).mean()
        return {"loss": loss, "target_entropy": entropy}
