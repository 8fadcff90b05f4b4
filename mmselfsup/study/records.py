"""The records of classifiers, pre-trainings and learning rates in results.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mmselfsup.evaluation.explanation_files import OcclusionScores


@dataclass(frozen=True)
class SslRecord:
    """One pre-training.

    Attributes:
        name: Its task after the tasks it builds on, joined by ``+``.
        config: Its config.
        epochs: Epochs of this task.
        images_of: Images it saw: ``train`` (list of the fold), or ``all`` (its test list, too).
        last_loss: The loss last logged; None if none was.
        seconds: Wall-clock time.
        cfg_options: Overrides of the config.
        config_sha256: Start of the hash of all the config says, overrides included.
    """

    name: str
    config: str
    epochs: int
    images_of: str
    last_loss: float | None
    seconds: float
    cfg_options: list[str] = field(default_factory=list)
    config_sha256: str = ""


@dataclass(frozen=True)
class RunRecord:
    """One classifier, trained on the whole training fold and measured on the test fold.

    All metrics are fractions 0..1 after the last epoch; None means unknown.

    Attributes:
        arm: ``scratch``, or the name of the pre-training (``a+b``: b after a).
        config: Fine-tuning config.
        ssl: The pre-trainings behind it, in order; empty from scratch.
        weights: File the classifier started from; None from scratch.
        ssl_on: Images the pre-training saw: ``train`` or ``all``, as ``images_of``; None: scratch.
        seed: Seed of the training.
        fold: Number of the test fold.
        lr: Learning rate, chosen on validation lesions.
        epochs: Epochs of fine-tuning.
        n_test: Number of test images.
        balanced_accuracy: Mean of the per-class recalls.
        accuracy: Fraction of images classified correctly.
        macro_auc: Mean area under the ROC curve, one class against the rest.
        recall: Recall of every class.
        confusion_matrix: Counts [C, C]; rows are the truth.
        seconds: Wall-clock time of the training, with other trainings at the same time.
        checkpoint: File of the trained classifier.
        cfg_options: Overrides of the config.
        config_sha256: Start of the hash of all the config says, overrides included.
        chosen_from: Tasks that a greedy curriculum could choose; empty if the order was given.
        blackout: Results of the occlusion test, with the lesion hidden; None if not measured.
    """

    arm: str
    config: str
    ssl: list[SslRecord]
    weights: str | None
    ssl_on: str | None
    seed: int
    fold: int
    lr: float
    epochs: int
    n_test: int
    balanced_accuracy: float | None
    accuracy: float | None
    macro_auc: float | None
    recall: dict[str, float | None]
    confusion_matrix: list[list[int]]
    seconds: float
    checkpoint: str
    cfg_options: list[str] = field(default_factory=list)
    config_sha256: str = ""
    chosen_from: list[str] = field(default_factory=list)
    blackout: OcclusionScores | None = None


@dataclass(frozen=True)
class SearchRecord:
    """One learning rate tried for an arm.

    Attributes:
        arm: ``scratch``, or the name of the pre-training.
        lr: Learning rate.
        epochs: Epochs of fine-tuning.
        balanced_accuracy: On the validation lesions after the last epoch; None if it diverged.
        chosen: Whether this learning rate was taken for the arm.
        seconds: Wall-clock time.
    """

    arm: str
    lr: float
    epochs: int
    balanced_accuracy: float | None
    chosen: bool
    seconds: float


def class_names(runs: Sequence[RunRecord]) -> list[str]:
    """Return the names of the classes in the order of the confusion matrices."""
    return list(runs[0].recall) if runs else []
