"""Losses that compare a student with a teacher, as pure functions.

Letters: N images, C channels, H, W size of a map, D width of an embedding, K length of a queue.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..utils.precision import full_precision
from .cosine import negative_cosine


@full_precision
def cosine_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Return one minus the cosine over the channels, averaged over images and places.

    Ranzinger et al. 2024 (AM-RADIO), equation 2.

    Args:
        prediction: Vectors [N, C] or maps [N, C, H, W] of the student.
        target: Those of the teacher, of the same shape.

    Returns:
        A scalar in 0..2.
    """
    return 1 + negative_cosine(prediction, target)


@full_precision
def map_distance(prediction: Tensor, target: Tensor, cosine: float = 0.9) -> Tensor:
    """Return the weighted sum of the cosine distance and smooth L1 of two maps.

    Ranzinger et al. 2024 (AM-RADIO), equation 3: ``a L_cos + b L_smooth-l1`` with a = 0.9 and
    b = 1 - a = 0.1; smooth L1 is the mean over all values, with the threshold 1.

    Args:
        prediction: Maps [N, C, H, W] of the student.
        target: Maps [N, C, H, W] of the teacher.
        cosine: Weight a of the cosine distance, 0 to 1.

    Returns:
        A scalar, at least 0.
    """
    distance = F.smooth_l1_loss(prediction, target)
    return cosine * cosine_distance(prediction, target) + (1 - cosine) * distance


@full_precision
def similarity_distillation(
    student: Tensor,
    teacher: Tensor,
    queue: Tensor,
    student_temperature: float = 0.2,
    teacher_temperature: float = 0.01,
    with_own: bool = True,
) -> Tensor:
    """Return the cross entropy between the similarities of teacher and student to a queue.

    Fang et al. 2021 (SEED), equations 2 to 5: the similarities to the K embeddings of the queue
    and to the teacher's own embedding of the image, divided by a temperature, are a distribution
    over K + 1 entries, for the teacher as for the student. Zheng et al. 2021 (ReSSL), section 3.2:
    the same without the teacher's own embedding of the image.

    Args:
        student: Embeddings [N, D] of the student, of any length.
        teacher: Embeddings [N, D] of the teacher, of any length; row i is of the same image.
        queue: Older embeddings [D, K] of the teacher, columns L2-normalised.
        student_temperature: Temperature of the student, above 0.
        teacher_temperature: Temperature of the teacher, above 0.
        with_own: Whether the teacher's embedding of the image is one of the entries.

    Returns:
        A scalar, at least 0: the mean over the N images.
    """
    s, t = F.normalize(student, dim=1), F.normalize(teacher, dim=1)  # [N, D]
    scores_s, scores_t = s @ queue, t @ queue  # [N, K]
    if with_own:
        own_s = (s * t).sum(dim=1, keepdim=True)  # [N, 1]
        own_t = (t * t).sum(dim=1, keepdim=True)  # [N, 1]
        scores_s = torch.cat((own_s, scores_s), dim=1)  # [N, 1 + K]
        scores_t = torch.cat((own_t, scores_t), dim=1)  # [N, 1 + K]
    targets = (scores_t / teacher_temperature).softmax(dim=1)
    return F.cross_entropy(scores_s / student_temperature, targets)
