"""Linear SVMs on frozen features, one for each class: on all images, or on few of each class.

The protocol of Goyal et al. 2019, "Scaling and Benchmarking Self-Supervised Visual Representation
Learning" (section 6.1 and appendix), for VOC 2007: features of unit length, one SVM against the
rest for each class, positives with weight 2, its cost chosen by cross-validation. scikit-learn fits
the SVMs. A file is written for each class and cost.

Letters: N images, D width, C classes. Targets: 1 the class is there, 0 it is not, -1 not counted.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.utils.errors import MismatchError, UserError
from mmselfsup.utils.files import atomic_write
from mmselfsup.utils.progress import progress

NUM_FOLDS = 3
_POSITIVE_WEIGHT = 2.0
_MAX_ITER = 2000
_Array = NDArray[Any]


def load_features(path: str | Path) -> NDArray[np.float32]:
    """Read features [N, ...] of a ``.npy`` file as [N, D], each scaled to length 1.

    Raises:
        UserError: It is no such file, or a feature is not finite.
    """
    from sklearn.preprocessing import normalize

    features = _load(path).astype(np.float32)
    if features.ndim < 2:
        raise UserError(f"{path}: features [N, D] are needed, this has the shape {features.shape}")
    features = features.reshape(len(features), -1)
    if not np.isfinite(features).all():
        raise UserError(f"{path}: features are NaN or infinite; extract them from other weights")
    return np.asarray(normalize(features), dtype=np.float32)


def load_targets(path: str | Path, num_images: int) -> NDArray[np.int64]:
    """Read targets [N, C] of a ``.npy`` file; labels [N] become targets one against the rest.

    Args:
        path: The file.
        num_images: N, the number of features.

    Raises:
        UserError: It is no such file, or has other values.
        MismatchError: There are not ``num_images`` rows.
    """
    targets = _load(path)
    if targets.ndim == 1:
        labels = targets.astype(np.int64)[:, None]
        targets = np.where(labels < 0, -1, labels == np.arange(labels.max(initial=0) + 1))
    if targets.ndim != 2 or not np.isin(targets, (-1, 0, 1)).all():
        raise UserError(f"{path}: targets [N, C] of 1, 0 and -1 are needed")
    if len(targets) != num_images:
        raise MismatchError(f"{path}: {len(targets)} rows for {num_images} features")
    return targets.astype(np.int64)


def _load(path: str | Path) -> _Array:
    """Read an array; a file of objects, which could run any code, is refused."""
    try:
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is a .npz file of several arrays")
        return array
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: no array (.npy) that can be read: {error}") from error


def average_precision(targets: _Array, scores: _Array) -> float:
    """Return the area under precision over recall, not interpolated; NaN without positives.

    Args:
        targets: [N]; images with -1 are left out.
        scores: [N], higher where the class is more likely.
    """
    from sklearn.metrics import average_precision_score

    counted = targets >= 0
    if not (targets[counted] == 1).any():
        return float("nan")
    return float(average_precision_score(targets[counted] == 1, scores[counted]))


def svm(cost: float, seed: int = 0) -> Any:
    """Return an SVM that is not fitted: squared hinge loss, L2 penalty."""
    from sklearn.svm import LinearSVC

    return LinearSVC(
        C=cost,
        class_weight={True: _POSITIVE_WEIGHT, False: 1.0},
        dual=True,
        max_iter=_MAX_ITER,
        random_state=seed,
    )


def fit(features: _Array, targets: _Array, cost: float, seed: int = 0) -> dict[str, _Array]:
    """Return the ``weight`` [D] and ``bias`` [] of the SVM of one class.

    Args:
        features: [N, D].
        targets: [N]; images with -1 are left out.
        cost: C of the SVM.
        seed: Seed of the order of the solver.
    """
    counted = targets >= 0
    fitted = svm(cost, seed).fit(features[counted], targets[counted] == 1)
    return {"weight": fitted.coef_[0], "bias": np.asarray(fitted.intercept_[0])}


def cross_validated(features: _Array, targets: _Array, cost: float, seed: int = 0) -> float:
    """Return the mean average precision on the held-out thirds of the images of one class."""
    from sklearn.model_selection import cross_val_score

    counted = targets >= 0
    scores = cross_val_score(
        svm(cost, seed),
        features[counted],
        targets[counted] == 1,
        cv=NUM_FOLDS,
        scoring="average_precision",
    )
    return float(scores.mean())


def check_classes(targets: _Array, wanted: int, path: str | Path) -> None:
    """Check that each class has ``wanted`` images with it and without it.

    Raises:
        UserError: One has fewer.
    """
    for number, column in enumerate(targets.T):
        fewest = min(int((column == 1).sum()), int((column == 0).sum()))
        if fewest < wanted:
            raise UserError(
                f"{path}: class {number} has {fewest} images with it or without it, at least "
                f"{wanted} of both are needed"
            )


def train_classes(
    features: _Array,
    targets: _Array,
    costs: Sequence[str],
    name: Callable[[int, str], Path],
    classes: Iterable[int] | None = None,
    folds: bool = True,
    seed: int = 0,
    workers: int = 1,
) -> None:
    """Fit an SVM for each class and cost, and write each to a file.

    Args:
        features: [N, D].
        targets: [N, C].
        costs: Costs as text, which is part of the file names.
        name: Returns the file for a class and a cost.
        classes: Classes to train; None for all.
        folds: Whether to add ``ap``, the cross-validated average precision.
        seed: See ``fit``.
        workers: Threads; the solver runs without Python's lock.
    """
    chosen = range(targets.shape[1]) if classes is None else classes
    jobs = [(c, cost) for c in chosen for cost in costs]

    def run(job: tuple[int, str]) -> None:
        number, cost = job
        result = fit(features, targets[:, number], float(cost), seed)
        if folds:
            ap = cross_validated(features, targets[:, number], float(cost), seed)
            result["ap"] = np.asarray(ap)
        with atomic_write(name(number, cost)) as file:
            np.savez(file, **result)  # type: ignore[arg-type]

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for _ in progress(pool.map(run, jobs), desc="SVMs", total=len(jobs), unit="SVM"):
            pass


def class_file(folder: str | Path, number: int, cost: str, suffix: str = "") -> Path:
    """Return the file of the SVM of a class; ``suffix`` is that of ``sample_suffix``."""
    return Path(folder, f"cls{number}_cost{float(cost):g}{suffix}.npz")


def sample_suffix(targets_path: str | Path) -> str:
    """Return ``_sample<i>_k<k>`` of the name of a file of low-shot targets.

    Raises:
        UserError: The name has no such ending.
    """
    found = re.search(r"_sample\d+_k\d+$", Path(targets_path).stem)
    if found is None:
        raise UserError(
            f"{targets_path}: the name must end with _sample<i>_k<k>.npy, as those of "
            "create_voc_low_shot_challenge_samples.py"
        )
    return found.group()


def read_svm(path: Path) -> dict[str, _Array]:
    """Read the file of an SVM.

    Raises:
        UserError: It is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: no SVM that can be read ({error}); train it first") from error


def decision(model: dict[str, _Array], features: _Array) -> _Array:
    """Return the scores [N] of the SVM of one class."""
    return features @ model["weight"] + model["bias"]


def best_of_costs(folder: str | Path, number: int, costs: Sequence[str]) -> dict[str, _Array]:
    """Return the SVM of a class with the best cross-validated average precision."""
    models = [read_svm(class_file(folder, number, cost)) for cost in costs]
    if any("ap" not in model for model in models):
        raise UserError(f"{folder}: SVMs without cross-validation; train them by train_svm_kfold")
    return max(models, key=lambda model: float(model["ap"]))
