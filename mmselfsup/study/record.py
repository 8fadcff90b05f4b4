"""The schema of results.json."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmselfsup.utils.atomic import atomic_write_json
from mmselfsup.utils.errors import UserError

SCHEMA = 1


@dataclass(frozen=True)
class RunRecord:
    """One classifier, trained on the whole training fold and measured on the test fold.

    All metrics are fractions 0..1 after the last epoch; None stands for "can't be given".

    Attributes:
        arm: `scratch`, or the name of the pre-training.
        config: Fine-tuning config.
        ssl_config: Config of the pre-training; None from scratch.
        weights: File the classifier started from; None from scratch.
        ssl_on: Images the pre-training saw: `train` (of this fold); None from scratch.
        seed: Seed of the training.
        fold: Number of the test fold.
        lr: Learning rate, chosen on validation lesions.
        epochs: Epochs of fine-tuning.
        n_test: Number of test images.
        balanced_accuracy: Mean of the per-class recalls.
        accuracy: Fraction of images classified rightly.
        macro_auc: Mean area under the ROC curve, one class against the rest.
        recall: Recall of every class.
        confusion_matrix: Counts [C, C]; rows are the truth.
        seconds: Wall-clock time of the training, other trainings running beside it.
        checkpoint: File of the trained classifier.
        cfg_options: Overrides of the config.
    """

    arm: str
    config: str
    ssl_config: str | None
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


@dataclass(frozen=True)
class SearchRecord:
    """One learning rate tried for an arm.

    Attributes:
        arm: `scratch`, or the name of the pre-training.
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


@dataclass(frozen=True)
class Results:
    """Everything a study found out: what results.json holds.

    Attributes:
        study: Settings: algorithm, fold, seed, configs, whether the images are the demo's.
        runs: The classifiers compared.
        lr_search: The learning rates tried.
        ssl: The pre-training: config, epochs, images, seconds, last loss.
        split: Number of images of every class in each list.
        environment: Versions and machine.
        commands: The command lines that ran.
        schema: Version of this layout.
    """

    study: dict[str, Any]
    runs: list[RunRecord]
    lr_search: list[SearchRecord]
    ssl: dict[str, Any]
    split: dict[str, dict[str, int]]
    environment: dict[str, Any]
    commands: list[str]
    schema: int = SCHEMA

    def write(self, path: Path) -> None:
        """Write the results as JSON; NaN becomes null."""
        atomic_write_json(path, _plain(asdict(self)))


def read_results(path: Path) -> Results:
    """Read a results.json.

    Raises:
        UserError: The file isn't there or is of another layout.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise UserError(f"{path} has schema {data['schema']}, this version reads {SCHEMA}")
        data["runs"] = [RunRecord(**run) for run in data["runs"]]
        data["lr_search"] = [SearchRecord(**run) for run in data["lr_search"]]
        return Results(**data)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run the study first") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no results.json of a study: {error}") from error


def class_names(runs: Sequence[RunRecord]) -> list[str]:
    """Give the names of the classes in the order of the confusion matrices."""
    return list(runs[0].recall) if runs else []


def _plain(value: Any) -> Any:
    """Replace NaN, which JSON has no word for, by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
