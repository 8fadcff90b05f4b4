"""Files of an explanation: ``explain.json`` and the pictures that it names."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_json
from mmselfsup.utils.json_records import from_json

AS_IS, HIDDEN, ONLY = "as_is", "lesion_hidden", "lesion_only"
VIEWS = (AS_IS, HIDDEN, ONLY)
EXPLAIN, SHEET, PICTURES = "explain.json", "masks.webp", "pictures"


@dataclass(frozen=True)
class ViewScore:
    """Scores of the classifier on one view of the test images, 0..1, with 95 % intervals."""

    balanced_accuracy: float
    balanced_low: float
    balanced_high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


@dataclass(frozen=True)
class OcclusionScores:
    """Result of the occlusion test: scores with the lesion hidden, and with the lesion alone.

    Attributes:
        views: Scores by view: ``as_is``, ``lesion_hidden``, ``lesion_only``.
        chance: Balanced accuracy of an answer that ignores the image: 1 / number of classes.
        majority: Accuracy of always answering the most frequent class.
        num_images: Number of test images.
        guessed: Number of images whose mask is an ellipse, as no lesion was found.
        covered: Mean fraction of an image that the mask covers, 0..1.
        by_lesion: Whether the bootstrap draws lesions; drawing images makes intervals too narrow.
    """

    views: dict[str, ViewScore]
    chance: float
    majority: float
    num_images: int
    guessed: int
    covered: float
    by_lesion: bool


@dataclass(frozen=True)
class Case:
    """A test image that is shown.

    Attributes:
        image: Name of the image in the list.
        label: True class.
        predicted: The class with the highest score.
        probability: Probability of the predicted class, 0..1.
        probability_of_label: Probability of the true class, 0..1.
        picture: File name of the picture: the input of the network.
        heat: File name of the picture under the heat map of the predicted class; None without.
    """

    image: str
    label: int
    predicted: int
    probability: float
    probability_of_label: float
    picture: str
    heat: str | None


@dataclass(frozen=True)
class Explanation:
    """Explanation of one classifier: its occlusion test and its heat maps.

    Attributes:
        classes: Names of the classes.
        seed: Seed of the draws.
        blackout: Result of the occlusion test; the key of the files is older than its name.
        cases: Right answers, then wrong ones.
        places: Rows and columns of the last stage's map; empty without heat maps.
        no_heat: Reason for the lack of heat maps; empty where there are some.
    """

    classes: list[str]
    seed: int
    blackout: OcclusionScores
    cases: list[Case]
    places: list[int]
    no_heat: str


def write_explanation(folder: Path, explanation: Explanation) -> None:
    """Write ``explain.json``."""
    atomic_write_json(folder / EXPLAIN, asdict(explanation))


def read_explanation(folder: Path) -> Explanation | None:
    """Return what ``write_explanation`` wrote; None where nothing was written.

    Raises:
        UserError: The file is damaged.
    """
    if not (folder / EXPLAIN).exists():
        return None
    try:
        return from_json(Explanation, json.loads((folder / EXPLAIN).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{folder / EXPLAIN}: can't read this explanation ({error}); delete the folder"
        ) from error
