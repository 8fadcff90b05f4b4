"""What results.json holds of starts, their cost, and of classifiers trained on few labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ArmRecord:
    """An arm of ``--start``: what it starts from, and what all of its stages cost.

    Attributes:
        arm: Its name, see ``starts``.
        weights: File or address that it starts from, before any pre-training; None: random weights
            (of a distillation too).
        sha256: Hash of this file (of an address: of its text); empty without one.
        teacher: File of the teacher of a distillation; None of others.
        adapt: Type of the adaptation in its pre-trainings; None without one.
        pretraining_passes: Images that its pre-trainings have passed through the network, each view
            counted.
        finetuning_passes: Images that its fine-tunings have passed, the search included.
        seconds: Wall-clock time of all its trainings, with other trainings at the same time.
    """

    arm: str
    weights: str | None
    sha256: str
    teacher: str | None
    adapt: str | None
    pretraining_passes: int
    finetuning_passes: int
    seconds: float


@dataclass(frozen=True)
class LabelRecord:
    """A classifier trained on a part of the labels and measured on the test fold.

    Metrics are fractions 0..1 after the last epoch; None means unknown.

    Attributes:
        arm: Its start.
        percent: Part of the labels of each class, below 100.
        draw: Number of the draw, from 1.
        images: Training images.
        lr: Learning rate.
        epochs: Epochs of fine-tuning.
        balanced_accuracy: Mean of the per-class recalls.
        accuracy: Fraction of images classified correctly.
        macro_auc: Mean area under the ROC curve, one class against the rest.
        recall: Recall of every class.
        confusion_matrix: Counts [C, C]; rows are the truth.
        seconds: Wall-clock time of the training.
        tried: Balanced accuracy on the validation lesions by learning rate tried, on the first
            draw; None: diverged. Empty where the rate was given.
        made_by: Version of the code, revision, date and machine of the training.
        errors: As those of a ``RunRecord``, among the arms of the same part and draw.
    """

    arm: str
    percent: float
    draw: int
    images: int
    lr: float
    epochs: int
    balanced_accuracy: float | None
    accuracy: float | None
    macro_auc: float | None
    recall: dict[str, float | None]
    confusion_matrix: list[list[int]]
    seconds: float
    tried: dict[str, float | None] = field(default_factory=dict)
    made_by: Mapping[str, Any] | None = None
    errors: dict[str, float] = field(default_factory=dict)
