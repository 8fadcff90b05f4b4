"""Files of scores that ``tools/test.py --out`` wrote, and the average of several: an ensemble.

Letters: N images, C classes, F files.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.metrics import probabilities
from mmselfsup.utils.errors import UserError

#: How an ensemble averages probabilities.
MEANS = ("arithmetic", "geometric")
_PREFIX = "scores"  # of the names of the arrays
#: Lower limit of a probability in a geometric mean, so that no single file can exclude a class.
_SMALLEST = 1e-12
#: How far the sum of a row of probabilities may be from 1: half precision.
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ScoreFile:
    """The scores of a model for N images; None for a part that the file does not hold.

    Attributes:
        path: Path of the file, for messages.
        scores: [N, C].
        labels: [N], -1 where there is none.
        classes: C names.
        images: N file names.
        lesions: N lesion ids, ``''`` where there is none.
    """

    path: str
    scores: NDArray[np.float64]
    labels: NDArray[np.int64] | None
    classes: list[str] | None
    images: list[str] | None
    lesions: list[str] | None


def read_score_file(path: str, head: str | None = None) -> ScoreFile:
    """Read a ``.npz`` or ``.json`` file.

    Args:
        path: The file.
        head: Name of the head, such as ``head4``, where there are several.

    Raises:
        UserError: The file can't be read, holds no scores, or several and ``head`` is none of them,
            or its parts are about different numbers of images.
    """
    arrays = _arrays(path)
    names = [name for name in arrays if name == _PREFIX or name.startswith(f"{_PREFIX}_")]
    wanted = names[:1] if head is None and len(names) == 1 else [f"{_PREFIX}_{head}"]
    if wanted[0] not in names:
        heads = ", ".join(name.removeprefix(f"{_PREFIX}_") for name in names) or "no scores"
        raise UserError(f"{path} holds {heads}: name one with --head, or write it with test.py")
    try:
        scores = np.asarray(arrays[wanted[0]], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: {wanted[0]} must be a table of numbers ({error})") from error
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise UserError(f"{path}: the scores must be a table of finite numbers [N, C]")
    texts = {
        name: None if arrays.get(name) is None else [str(x) for x in arrays[name]]
        for name in ("classes", "images", "lesions")
    }
    labels = arrays.get("labels")
    if labels is not None and len(labels) and np.asarray(labels).dtype.kind not in "iu":
        raise UserError(f"{path}: labels must be whole numbers")
    for name in ("labels", "images", "lesions"):
        if arrays.get(name) is not None and len(arrays[name]) != len(scores):
            raise UserError(f"{path}: {len(arrays[name])} {name} for {len(scores)} scores")
    return ScoreFile(path, scores, None if labels is None else np.asarray(labels), **texts)


def _arrays(path: str) -> Mapping[str, Any]:
    """Return the arrays or lists in a file, by name."""
    try:
        if path.endswith(".json"):
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return content
            raise ValueError("it holds no dict")
        with np.load(path) as data:
            return dict(data)
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise UserError(f"{path} is no .npz or .json of test.py: {error}") from error


def average_scores(files: Sequence[ScoreFile], mean: str = "arithmetic") -> ScoreFile:
    """Average the predictions of several classifiers for the same images.

    Each file counts once, and the order of the files changes no bit of a probability.

    Args:
        files: Two or more, of logits or probabilities [N, C]. Their images are matched by name and
            may be in different orders.
        mean: ``'arithmetic'``, or ``'geometric'``, scaled to the sum 1 again.

    Returns:
        Probabilities [N, C] in the order of the images of the first file, with their labels,
        classes and lesions where a file holds these.

    Raises:
        UserError: A file names no images or one twice, the files differ in images, classes, labels
            or lesions, a file is given twice, or its scores are neither logits nor probabilities.
    """
    if mean not in MEANS:
        raise UserError(f"mean must be one of {', '.join(MEANS)}, got {mean!r}")
    if len(files) < 2:
        raise UserError(f"an ensemble needs two files of scores or more, got {len(files)}")
    _check_paths(files)
    first = files[0]
    rows = [_rows_of(first, file) for file in files]  # F times [N]
    each = np.stack([_checked(f)[r] for f, r in zip(files, rows, strict=True)])  # [F, N, C]
    return ScoreFile(
        path=" + ".join(file.path for file in files),
        scores=_mean(each, mean),
        labels=_agreed(files, rows, "labels"),
        classes=first.classes,
        images=first.images,
        lesions=None if (ids := _agreed(files, rows, "lesions")) is None else ids.tolist(),
    )


def _mean(each: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Return the mean [N, C] of probabilities [F, N, C]."""
    # Floating-point sums depend on the order of the terms; sorting makes the order fixed.
    if kind == "arithmetic":
        return np.asarray(np.sort(each, axis=0).mean(axis=0))
    logs = np.sort(np.log(np.maximum(each, _SMALLEST)), axis=0).mean(axis=0)  # [N, C]
    return probabilities(logs)


def _check_paths(files: Sequence[ScoreFile]) -> None:
    """Check that no file would count twice."""
    seen: set[str] = set()
    for file in files:
        path = os.path.realpath(file.path)
        if path in seen:
            raise UserError(f"{file.path} is given twice: each model counts once")
        seen.add(path)


def _rows_of(first: ScoreFile, file: ScoreFile) -> NDArray[np.int64]:
    """Return the rows of another file that hold the images of the first, [N]."""
    if file.scores.shape[1] != first.scores.shape[1] or file.classes != first.classes:
        raise UserError(
            f"{file.path} has {_described(file)}, {first.path} {_described(first)}: an ensemble "
            "needs the same classes in the same order"
        )
    wanted, own = _names(first), _names(file)
    place = {name: row for row, name in enumerate(own)}
    missing = [name for name in wanted if name not in place]
    if missing or len(own) != len(wanted):
        other = missing or sorted(set(own) - set(wanted))
        raise UserError(
            f"{first.path} and {file.path} are not about the same images ({len(wanted)} and "
            f"{len(own)}; {other[0]} is in one of them): score one list with every model"
        )
    return np.array([place[name] for name in wanted], dtype=np.int64)


def _names(file: ScoreFile) -> list[str]:
    """Return the image names of a file; a name may occur once only."""
    if file.images is None:
        raise UserError(f"{file.path} doesn't name its images: write it again with test.py")
    seen: set[str] = set()
    for name in file.images:
        if name in seen:
            raise UserError(f"{file.path}: the image {name} occurs more than once")
        seen.add(name)
    return file.images


def _described(file: ScoreFile) -> str:
    """Return the classes of a file, for messages."""
    names = "without names" if file.classes is None else ", ".join(file.classes)
    return f"{file.scores.shape[1]} classes ({names})"


def _checked(file: ScoreFile) -> NDArray[np.float64]:
    """Return the probabilities [N, C] of a file."""
    scores = file.scores
    if not scores.size:
        raise UserError(f"{file.path} holds no scores")
    inside = ((scores >= 0) & (scores <= 1)).all(axis=1)  # [N]
    sums = np.abs(scores.sum(axis=1) - 1) <= _SUM_TOLERANCE  # [N]
    # Logits meet neither condition, except in a rare image: what most rows meet is meant.
    are_probabilities = max(inside.mean(), sums.mean()) > 0.5
    if are_probabilities and not (inside & sums).all():
        row = int(np.argmin(inside & sums))
        raise UserError(
            f"{file.path}: the scores of {_names(file)[row]} are no probabilities (0..1, sum 1), "
            "as others in the file are: write it again with test.py"
        )
    return probabilities(scores)


def _agreed(
    files: Sequence[ScoreFile], rows: Sequence[NDArray[np.int64]], name: str
) -> NDArray[Any] | None:
    """Return the labels or lesions of the first file with them; all files with them must agree."""
    known = [
        (file, np.asarray(getattr(file, name))[row])
        for file, row in zip(files, rows, strict=True)
        if getattr(file, name) is not None
    ]
    if not known:
        return None
    (first, value), *others = known
    for file, other in others:
        if not np.array_equal(value, other):
            image = _names(files[0])[int(np.argmax(value != other))]
            raise UserError(f"{first.path} and {file.path} have different {name} for {image}")
    return value
