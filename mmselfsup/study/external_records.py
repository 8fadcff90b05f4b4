"""What results.json holds of test sets of other clinics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmselfsup.metrics.subgroups import Measured, Subgroup

#: In place of a set's name: the test fold of the study itself.
OWN = ""


@dataclass(frozen=True)
class ExternalSet:
    """A test set that nobody trained on.

    Attributes:
        name: Its name; ``OWN`` for the test fold.
        images: Folder of its images.
        listed: Images in its table.
        not_on_disk: Of these, images without a file.
        near_duplicates: Images left out since they look like one of the study's own.
        left_out: Images of classes that the model does not have, by their name.
        counts: Images by class, the set's own names.
        classes: The model's classes behind each of them; their probabilities are added.
        absent: Classes of the model that the set lacks; they are left out.
        group: What the images of a group have in common, for one and for several.
        groups: Number of groups; 0 where they are not known: intervals are then by image.
        digest: Hash of the names, classes and groups of its images; empty in older results, and for
            the test fold.
    """

    name: str
    images: str
    listed: int
    not_on_disk: int
    near_duplicates: int
    left_out: dict[str, int]
    counts: dict[str, int]
    classes: dict[str, list[str]]
    absent: list[str]
    group: tuple[str, ...]
    groups: int
    digest: str = ""

    @property
    def measured(self) -> int:
        """Return the number of images that count."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class ExternalRecord:
    """The final classifier of an arm on a test set.

    Metrics are fractions 0..1 of the classes that the set has; intervals are 95 %, by group.

    Attributes:
        arm: Its start.
        external: Name of the set; ``OWN`` for the test fold.
        images: Images measured.
        balanced_accuracy, accuracy, macro_auc: The metrics.
        own: Balanced accuracy on the study's test fold, with these classes only; None for the test
            fold itself.
        drop: ``own`` minus ``balanced_accuracy``.
        ece: Expected calibration error.
        scaled_ece: The same after temperature scaling.
        temperature: The temperature, fitted on the validation part of the training images with the
            classifier of the search, which had not seen them.
        recall: Recall of each class; None without images.
        subgroups: Parts of the set.
        made_by: Version of the code, revision, date and machine of the test.
        fewest_lesions: Lesions or patients (images where neither is known) of the class that has
            the fewest; None in older results. See ``FEWEST_LESIONS``.
    """

    arm: str
    external: str
    images: int
    balanced_accuracy: Measured
    accuracy: Measured
    macro_auc: Measured
    own: Measured | None
    drop: Measured | None
    ece: float
    scaled_ece: float
    temperature: float
    recall: dict[str, float | None]
    subgroups: list[Subgroup] = field(default_factory=list)
    made_by: Mapping[str, Any] | None = None
    fewest_lesions: int | None = None
