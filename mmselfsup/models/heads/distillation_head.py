"""Heads that compare the features of a student with those of a frozen teacher.

Letters: N images of this process, R processes, C channels of the student, D width of the teacher,
h, w size of the student's map, H, W that of the teacher's, K length of the queue.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils import dist
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import check_temperature, cosine_distance, map_distance, similarity_distillation
from ..utils import MAX_QUEUE_LEN, enqueue, fit_queue_len, new_queue, pooled, spatial_map
from ..utils.precision import to_float32
from ..utils.teacher import TeacherFeatures


class Projector(nn.Sequential):
    """Two layers from the student's channels to the teacher's: Ranzinger et al. 2024, section 3.4.

    Args:
        in_channels: C.
        hid_channels: Width of the hidden layer.
        out_channels: D.
    """

    def __init__(self, in_channels: int, hid_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Linear(in_channels, hid_channels),
            nn.LayerNorm(hid_channels),
            nn.GELU(),
            nn.Linear(hid_channels, out_channels),
        )


@HEADS.register_module()
class FeatureDistillationHead(BaseModule):
    """The teacher's global feature by cosine, and its map by cosine and smooth L1.

    Ranzinger et al. 2024 (AM-RADIO), section 3.5. The global feature is the class token, or the
    mean over the places where there is none. A map of another size is interpolated to that of the
    teacher (bilinear).

    Args:
        in_channels: C.
        out_channels: D.
        hid_channels: Width of the hidden layer of both projectors; None takes D.
        map_weight: Weight of the loss of the maps, at least 0; 0 leaves it out.
        cosine: Share of the cosine in the loss of the maps, 0 to 1; the rest is smooth L1.

    Raises:
        ArgumentError: A number is out of its range.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hid_channels: int | None = None,
        map_weight: float = 1.0,
        cosine: float = 0.9,
    ) -> None:
        super().__init__()
        if not 0 <= cosine <= 1 or map_weight < 0:
            raise ArgumentError(
                f"cosine must be in 0..1 and map_weight from 0, got {cosine} and {map_weight}"
            )
        self.map_weight, self.cosine = map_weight, cosine
        sizes = in_channels, hid_channels or out_channels, out_channels
        self.vector_projector = Projector(*sizes)
        self.map_projector = Projector(*sizes) if map_weight else None

    @property
    def needs_map(self) -> bool:
        """Whether the teacher's map is used."""
        return self.map_projector is not None

    def forward(self, student: Sequence[Any], teacher: TeacherFeatures) -> dict[str, Tensor]:
        """Return ``loss_vector`` (0..2) and ``loss_map`` (at least 0), float32 scalars.

        Args:
            student: Features of the student, one entry for each stage; the last one is used.
            teacher: Features of the teacher.

        Raises:
            ArgumentError: The widths of the teacher and the head differ.
        """
        vector = self.vector_projector(pooled(student[-1]))  # [N, D]
        check_width(self, vector, teacher.vector)
        losses = {"loss_vector": cosine_distance(vector, teacher.vector)}
        if self.map_projector is None or teacher.map is None:
            return losses
        places = spatial_map(student[-1]).permute(0, 2, 3, 1)  # [N, h, w, C]
        projected = to_float32(self.map_projector(places).permute(0, 3, 1, 2))  # [N, D, h, w]
        target = teacher.map  # [N, D, H, W]
        if projected.shape[-2:] != target.shape[-2:]:
            projected = F.interpolate(projected, target.shape[-2:], mode="bilinear")
        losses["loss_map"] = self.map_weight * map_distance(projected, target, self.cosine)
        return losses


@HEADS.register_module()
class SimilarityDistillationHead(BaseModule):
    """The teacher's similarities to a queue of its earlier embeddings.

    Fang et al. 2021 (SEED), section 3.2. The embedding of the teacher is its global feature, where
    the paper takes that of its projection head: files of weights rarely have one.

    Args:
        in_channels: C.
        out_channels: D.
        hid_channels: Width of the hidden layer of the projector; None takes D.
        queue_len: K, at least a batch of all processes. None derives it from the number of training
            images, see ``fit_queue_len``.
        student_temperature: Temperature of the student, above 0.
        teacher_temperature: Temperature of the teacher, above 0.

    Raises:
        ArgumentError: A temperature is not above 0.
    """

    needs_map = False
    queue: Tensor
    queue_ptr: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hid_channels: int | None = None,
        queue_len: int | None = None,
        student_temperature: float = 0.2,
        teacher_temperature: float = 0.01,
    ) -> None:
        super().__init__()
        self.student_temperature = check_temperature(student_temperature)
        self.teacher_temperature = check_temperature(teacher_temperature)
        self.projector = Projector(in_channels, hid_channels or out_channels, out_channels)
        self.queue_len = queue_len
        # The data are not known yet: without a length, ``fit_dataset`` shortens the longest queue.
        queue, pointer = new_queue(out_channels, MAX_QUEUE_LEN if queue_len is None else queue_len)
        self.register_buffer("queue", queue)  # [D, K]
        self.register_buffer("queue_ptr", pointer)  # [1]

    def fit_dataset(self, size: DataInfo) -> None:
        """Check the length of the queue, or derive it from the training data.

        Raises:
            UserError: See ``fit_queue_len``.
        """
        self.queue_len = fit_queue_len(self.queue_len, size, self)
        self.queue = self.queue[:, : self.queue_len].clone()  # [D, K]

    def forward(self, student: Sequence[Any], teacher: TeacherFeatures) -> dict[str, Tensor]:
        """Return ``loss_similarity``, a float32 scalar, at least 0; in training the queue moves.

        Args:
            student: Features of the student, one entry for each stage; the last one is used.
            teacher: Features of the teacher.

        Raises:
            ArgumentError: The widths of the teacher and the head differ.
        """
        embedding = self.projector(pooled(student[-1]))  # [N, D]
        check_width(self, embedding, teacher.vector)
        # The queue is copied: the backward pass needs its values of now.
        loss = similarity_distillation(
            embedding,
            teacher.vector,
            self.queue.clone(),
            self.student_temperature,
            self.teacher_temperature,
        )
        if self.training:
            self.push(teacher.vector)
        return {"loss_similarity": loss}

    @torch.no_grad()
    def push(self, embeddings: Tensor) -> None:
        """Replace the oldest entries by the teacher's embeddings [N, D] of all processes."""
        units = F.normalize(to_float32(embeddings), dim=1)  # [N, D]
        enqueue(self.queue, self.queue_ptr, dist.all_gather_cat(units))


def check_width(head: nn.Module, student: Tensor, teacher: Tensor) -> None:
    """Check that the projection [N, D] of a head has the width of the teacher's feature.

    Raises:
        ArgumentError: It has another one.
    """
    if student.shape[1] != teacher.shape[1]:
        raise ArgumentError(
            f"{type(head).__name__}: the teacher's features have {teacher.shape[1]} channels, "
            f"out_channels is {student.shape[1]}: set model.head.out_channels={teacher.shape[1]}"
        )
