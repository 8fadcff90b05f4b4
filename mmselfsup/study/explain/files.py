"""What an explanation leaves in its folder: `explain.json` and the pictures that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmselfsup.utils.atomic import atomic_write_json
from mmselfsup.utils.errors import UserError

AS_IS, HIDDEN, ONLY = "as_is", "lesion_hidden", "lesion_only"
VIEWS = (AS_IS, HIDDEN, ONLY)
EXPLAIN, SHEET, PICTURES = "explain.json", "masks.webp", "pictures"


@dataclass(frozen=True)
class ViewScore:
    """How well the classifier does on one view of the test images; 0..1, ends of 95 % intervals."""

    balanced_accuracy: float
    balanced_low: float
    balanced_high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


@dataclass(frozen=True)
class Blackout:
    """What the classifier still knows without the lesion.

    Attributes:
        views: By `as_is`, `lesion_hidden`, `lesion_only`.
        chance: Balanced accuracy of any rule that doesn't look: 1 / number of classes.
        majority: Accuracy of always naming the most frequent class.
        num_images: Test images.
        guessed: Of these, how many have an ellipse in the place of a mask.
        covered: Mean share of an image that the mask covers, 0..1.
        by_lesion: Whether intervals are drawn by lesion; by image they are too narrow.
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
        image: Its name in the list.
        label: Its class.
        predicted: The class with the highest score.
        probability: Of the predicted class, 0..1.
        probability_of_label: Of the true class, 0..1.
        picture: Name of the picture: what the network sees.
        heat: Name of the picture with the heat map of the predicted class over it; None without.
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
    """All of it.

    Attributes:
        classes: Names of the classes.
        seed: Of the draws.
        blackout: Numbers.
        cases: Right ones, then wrong ones.
        places: Rows and columns of the last stage's map; empty without heat maps.
        no_heat: Why there are none; empty where there are.
    """

    classes: list[str]
    seed: int
    blackout: Blackout
    cases: list[Case]
    places: list[int]
    no_heat: str


def write_explanation(folder: Path, explanation: Explanation) -> None:
    """Write `explain.json`."""
    atomic_write_json(folder / EXPLAIN, asdict(explanation))


def read_explanation(folder: Path) -> Explanation | None:
    """Read what `write_explanation` wrote; None where there is nothing.

    Raises:
        UserError: The file is damaged.
    """
    if not (folder / EXPLAIN).exists():
        return None
    try:
        data: dict[str, Any] = json.loads((folder / EXPLAIN).read_text(encoding="utf-8"))
        data["blackout"] = blackout_of(data["blackout"])
        data["cases"] = [Case(**case) for case in data["cases"]]
        return Explanation(**data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder}: can't read this explanation ({error}); delete the folder"
        ) from error


def blackout_of(data: Mapping[str, Any]) -> Blackout:
    """Make a `Blackout` from its JSON.

    Raises:
        KeyError, TypeError: It is another JSON.
    """
    views = {name: ViewScore(**score) for name, score in data["views"].items()}
    return Blackout(**{**data, "views": views})
