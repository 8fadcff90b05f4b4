"""The head of ReSSL. Letters: N images of this process, D width of a projection, K queue."""

from mmcv.runner import BaseModule
from torch import Tensor

from ..builder import HEADS
from ..losses import check_temperature, similarity_distillation
from ..utils import NeighbourQueue


@HEADS.register_module()
class ReSSLHead(BaseModule):
    """The relations of a view to a queue of other images, those of the teacher as targets.

    Zheng et al. 2021 (ReSSL), section 3.2.

    Args:
        feat_dim: D.
        queue_len: K, at least a batch of all processes. None derives it from the number of training
            images, see ``fit_queue_len``.
        student_temperature: Temperature of the student, above 0.
        teacher_temperature: Temperature of the teacher, above 0 and lower than the student's, so
            that the targets are sharp.

    Raises:
        ArgumentError: A temperature is not above 0.
    """

    def __init__(
        self,
        feat_dim: int,
        queue_len: int | None = None,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
    ) -> None:
        super().__init__()
        self.student_temperature = check_temperature(student_temperature)
        self.teacher_temperature = check_temperature(teacher_temperature)
        self.others = NeighbourQueue(feat_dim, queue_len)

    def forward(self, student: Tensor, teacher: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar, at least 0; in training the queue moves afterwards.

        Args:
            student: Projections [N, D] of one view by the trained encoder.
            teacher: Projections [N, D] of the other view by the momentum encoder; no gradient.
        """
        # The queue is copied: the backward pass needs its values of now.
        loss = similarity_distillation(
            student,
            teacher.detach(),
            self.others.queue.clone(),
            self.student_temperature,
            self.teacher_temperature,
            with_own=False,
        )
        if self.training:
            self.others.push(teacher)
        return {"loss": loss}
