"""The linear probe: a linear classifier on frozen features.

Letters: M training samples, N test samples, D width, C classes.
"""

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmselfsup.metrics import classification_metrics, confusion_matrix, per_class_recall
from mmselfsup.utils.errors import UserError

from .features import LabelledFeatures
from .protocol import Protocol, ProtocolResult

#: Inverse strength of the L2 penalty on the weights; the loss is a sum over samples.
DEFAULT_C = 0.01
_MAX_ITERS = 1000
_HELD = 0.2  # of the training samples, to choose C on


@dataclass(frozen=True)
class LinearProbeProtocol(Protocol):
    """A balanced linear classifier, fitted to the training samples.

    Attributes:
        penalty: Values of C; of several, the best on held-out training samples is taken.
        seed: Seed of the choice of held-out samples.
    """

    penalty: Sequence[float]
    seed: int = 0

    def check(self, num_train: int) -> None:
        """Check the values of C."""
        for penalty in self.penalty:
            check_penalty(penalty)

    def evaluate(self, data: LabelledFeatures, logger: logging.Logger) -> ProtocolResult:
        """Return the metrics of the probe, and the C that it was fitted with."""
        penalty, tried = self.penalty[0], dict[float, float]()
        if len(self.penalty) > 1:
            penalty, tried = choose_penalty(data, self.penalty, self.seed)
            shown = ", ".join(f"{c:g}: {accuracy:.4f}" for c, accuracy in tried.items())
            logger.info("balanced accuracy on held-out training samples by C: %s", shown)
        return ProtocolResult(
            {f"linear probe, C={penalty:g}": evaluate_probe(data, penalty)},
            {"C": penalty, "C_tried": {f"{c:g}": accuracy for c, accuracy in tried.items()}},
        )


def fit_probe(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    penalty: float = DEFAULT_C,
    max_iters: int = _MAX_ITERS,
) -> Any:
    """Fit scikit-learn's logistic regression on standardised features, with equal class weights.

    The problem is convex and starts from zero: nothing is random.

    Args:
        features: Features [M, D]; standardised to mean 0 and deviation 1 over these samples.
        labels: Labels [M] of two classes or more.
        penalty: The ``C`` of scikit-learn, above 0; smaller means stronger regularisation.
        max_iters: Steps of L-BFGS.

    Returns:
        A fitted pipeline with ``predict_proba``.
    """
    # Imported where they are used: scikit-learn is slow to load.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = LogisticRegression(C=penalty, class_weight="balanced", max_iter=max_iters)
    pipeline = make_pipeline(StandardScaler(), probe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the caller's cap is the user's choice
        return pipeline.fit(features, labels)


def probe_scores(
    data: LabelledFeatures, penalty: float = DEFAULT_C, max_iters: int = _MAX_ITERS
) -> NDArray[np.float32]:
    """Return the probabilities [N, C] of the test samples; 0 for classes without training samples.

    Raises:
        UserError: ``penalty`` is not above 0, or the features are unusable.
    """
    data.check()
    check_penalty(penalty)
    pipeline = fit_probe(data.train, data.train_labels, penalty, max_iters)
    # The classifier has no column for classes without a training sample.
    scores = np.zeros((len(data.test), data.num_classes), dtype=np.float32)
    scores[:, pipeline[-1].classes_] = pipeline.predict_proba(data.test)
    return scores


def check_penalty(penalty: float) -> None:
    """Check a value of C; see ``probe_scores``."""
    if not penalty > 0:  # also of nan
        raise UserError(f"-C {penalty}: it must be above 0")


def choose_penalty(
    data: LabelledFeatures, penalties: Sequence[float], seed: int = 0
) -> tuple[float, dict[float, float]]:
    """Choose C on a fifth of the training samples, held out class by class.

    The test samples are not used. Samples are held out one by one: where several images show one
    lesion, the choice is biased; give a single C instead.

    Args:
        data: The features.
        penalties: The values to try.
        seed: Seed of the choice of held-out samples.

    Returns:
        The best value, and the balanced accuracy on the held-out samples for each.

    Raises:
        UserError: There are too few samples to hold one of each class out.
    """
    from sklearn.model_selection import StratifiedShuffleSplit  # slow to load

    data.check()
    counts = np.bincount(data.train_labels)
    if counts[counts > 0].min() < 2:
        raise UserError("a class has one training sample only: give a single -C")
    num_held = math.ceil(_HELD * len(data.train))
    if num_held < (num_classes := int((counts > 0).sum())):
        raise UserError(
            f"a fifth of {len(data.train)} training samples are {num_held}, too few to hold one of "
            f"each of {num_classes} classes out: give a single -C"
        )
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=num_held, random_state=seed)
    fit, held = next(splitter.split(data.train, data.train_labels))
    part = LabelledFeatures(
        data.train[fit], data.train_labels[fit], data.train[held], data.train_labels[held]
    )
    accuracies = {}
    for penalty in penalties:
        scores = probe_scores(part, penalty)
        recalls = per_class_recall(confusion_matrix(scores, part.test_labels, part.num_classes))
        accuracies[penalty] = float(np.nanmean(recalls))
    return max(accuracies, key=lambda penalty: accuracies[penalty]), accuracies


def evaluate_probe(data: LabelledFeatures, penalty: float = DEFAULT_C) -> dict[str, Any]:
    """Return the metrics of ``classification_metrics``; see ``probe_scores``."""
    return classification_metrics(probe_scores(data, penalty), data.test_labels, data.classes)
