"""The losses of ``ClsHead(loss=dict(type=...))``, which may need the class counts of the data.

Their formulas are in ``classification.py``.

Letters: N images, C classes, D width of a feature.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError

from ..builder import MODELS
from ..utils.precision import full_precision
from .classification import (
    effective_number_weights,
    focal_loss,
    inverse_frequency_weights,
    ldam_loss,
    ldam_margins,
    log_prior,
    logit_adjusted_cross_entropy,
    weighted_cross_entropy,
)

WEIGHTS = ("none", "inverse_frequency", "effective_number")


def given_weights(weight: Sequence[float], num_classes: int, name: str) -> Tensor:
    """Return the weights of classes that a config names, [C] float32.

    Args:
        weight: C finite numbers from 0, not all 0.
        num_classes: C.
        name: Of the argument, for messages.

    Raises:
        ArgumentError: They are others: a weight below 0 would train away from its class.
    """
    if len(weight) != num_classes:
        raise ArgumentError(f"{name} needs {num_classes} values, got {len(weight)}")
    values = np.asarray(weight)  # a model on ``meta`` has no values to check
    numbers = values.dtype.kind in "biuf"  # no words
    if not (numbers and np.isfinite(values).all() and (values >= 0).all() and values.any()):
        raise ArgumentError(
            f"{name}={list(weight)}: give each class a finite number of at least 0, not all 0"
        )
    return torch.tensor(values, dtype=torch.float)


def check_smoothing(label_smoothing: float) -> float:
    """Return the part of each label that is spread over all classes.

    Raises:
        ArgumentError: It is not in 0..1.
    """
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"label_smoothing must be 0 to 1, got {label_smoothing}")
    return label_smoothing


class BalancedLoss(nn.Module):
    """A loss that can re-weight classes.

    ``fit_dataset`` sets the class counts before the first iteration. They follow from the data, so
    neither the config nor the checkpoint contains them.

    A subclass implements ``measure``, and ``offset_of`` if its formula uses the class counts.

    Args:
        num_classes: C; the head passes it.
        weight: ``'none'``; ``'inverse_frequency'`` or ``'effective_number'`` of the class counts
            (see ``inverse_frequency_weights``, ``effective_number_weights``); or C numbers.
        beta: Beta of the effective number, at least 0 and below 1.
        deferred: Fraction of the training, 0 to 1, before re-weighting starts; until then all
            classes have the same weight. Cao et al. 2019 use 0.8.
        class_counts: Number of images of each class, for data without labels; None takes them
            from the training data.

    Raises:
        ArgumentError: ``deferred`` is out of range, or see ``given_weights``.
        UserError, ValueError: See ``set_counts``.
    """

    #: Whether the logits must be cosines, multiplied by ``scale``.
    cosine = False
    scale = 1.0
    uses_counts = False

    def __init__(
        self,
        num_classes: int,
        weight: str | Sequence[float] = "none",
        beta: float = 0.999,
        deferred: float = 0.0,
        class_counts: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(weight, str) and weight not in WEIGHTS:
            raise ArgumentError(f"weight must be numbers or one of {WEIGHTS}, got {weight!r}")
        if not 0 <= deferred <= 1:
            raise ArgumentError(f"deferred must be 0 to 1, got {deferred}")
        self.num_classes, self.beta, self.deferred = num_classes, beta, deferred
        self.kind, self.progress = weight if isinstance(weight, str) else "given", 0.0
        self.class_weight: Tensor
        self.offset: Tensor
        # Not persistent: counts of other data must not come back from a checkpoint, and a model
        # with another loss can load the same weights.
        ones = torch.ones(num_classes)
        given = ones if isinstance(weight, str) else given_weights(weight, num_classes, "weight")
        self.register_buffer("class_weight", given, persistent=False)
        self.register_buffer("offset", torch.zeros(num_classes), persistent=False)
        self.needs_counts = self.uses_counts or self.kind in WEIGHTS[1:]
        self.given_counts, self.knows_counts = class_counts is not None, False
        if class_counts is not None:
            self.set_counts(class_counts)

    def fit_dataset(self, size: DataInfo) -> None:
        """Take the class counts from the training data, if the loss needs them.

        Raises:
            UserError: The data have no labels, or see ``set_counts``.
        """
        if not self.needs_counts or self.given_counts:
            return
        if size.class_counts is None:
            raise UserError(
                f"{type(self).__name__} needs the labels of data.train, and it has none: give "
                "class_counts=[...], or another loss"
            )
        self.set_counts(size.class_counts)

    def set_counts(self, counts: Sequence[int]) -> None:
        """Set the number of images of each class, and the weights and offsets derived from it.

        Args:
            counts: Number of images of each class; missing classes at the end have none.

        Raises:
            UserError: There are more classes than the head has, or a class without an image.
            ValueError: ``beta`` of the effective number is out of range.
        """
        values = list(counts) + [0] * (self.num_classes - len(counts))
        empty = [str(i) for i, count in enumerate(values) if count < 1]
        if len(values) > self.num_classes:
            raise UserError(f"the data have {len(values)} classes, the head {self.num_classes}")
        if empty and self.needs_counts:
            raise UserError(
                f"{type(self).__name__} needs images of every class; data.train has none of the "
                f"class(es) {', '.join(empty)}"
            )
        # ``copy_`` below moves the results to the device of the buffers.
        tensor, self.knows_counts = torch.tensor(values), True
        if self.kind == "inverse_frequency":
            self.class_weight.copy_(inverse_frequency_weights(tensor))
        elif self.kind == "effective_number":
            self.class_weight.copy_(effective_number_weights(tensor, self.beta))
        self.offset.copy_(self.offset_of(tensor))

    def offset_of(self, counts: Tensor) -> Tensor:
        """Return the value per class that the formula adds to the logits or subtracts, [C].

        Args:
            counts: Number of images of each class, [C] (int64).
        """
        return torch.zeros(self.num_classes)

    def set_progress(self, progress: float) -> None:
        """Set the fraction of the training that is done, 0 to 1; a hook calls this."""
        self.progress = progress

    def current_weight(self) -> Tensor | None:
        """Return the current weight of each class, [C]; None for equal weights."""
        if self.kind == "none" or self.progress < self.deferred:
            return None
        return self.class_weight

    def forward(self, score: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            score: Logits [N, C].
            labels: Class numbers [N] (int64), or class distributions [N, C] (mixup).

        Raises:
            UserError: The loss needs the class counts and has none.
        """
        if self.needs_counts and not self.knows_counts:
            raise UserError(
                f"{type(self).__name__} has no class counts: call fit_dataset, or give class_counts"
            )
        return self.measure(score, labels, self.current_weight())

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the value of the formula, a scalar.

        Args:
            score: Logits [N, C].
            labels: Class numbers [N], or class distributions [N, C].
            weight: Weight of each class, [C]; None for equal weights.
        """
        raise NotImplementedError


@MODELS.register_module()
class CrossEntropyLoss(BalancedLoss):
    """Cross entropy with class weights: ``weighted_cross_entropy``.

    Args:
        num_classes: C.
        label_smoothing: Part of each label that is spread over all classes, 0 to 1.
        **kwargs: See ``BalancedLoss``.

    Raises:
        ArgumentError: ``label_smoothing`` is out of range.
    """

    def __init__(self, num_classes: int, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(num_classes, **kwargs)
        self.label_smoothing = check_smoothing(label_smoothing)

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the cross entropy; for the arguments see ``BalancedLoss.measure``."""
        return weighted_cross_entropy(score, labels, weight, self.label_smoothing)


@MODELS.register_module()
class FocalLoss(BalancedLoss):
    """Focal loss (Lin et al. 2017): ``focal_loss``.

    Args:
        num_classes: C.
        gamma: Focusing exponent, at least 0; 0 is cross entropy.
        **kwargs: See ``BalancedLoss``.

    Raises:
        ArgumentError: ``gamma`` is below 0.
    """

    def __init__(self, num_classes: int, gamma: float = 2.0, **kwargs: Any) -> None:
        super().__init__(num_classes, **kwargs)
        if gamma < 0:
            raise ArgumentError(f"gamma must be at least 0, got {gamma}")
        self.gamma = gamma

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the focal loss; for the arguments see ``BalancedLoss.measure``."""
        return focal_loss(score, labels, self.gamma, weight)


@MODELS.register_module()
class LogitAdjustedLoss(BalancedLoss):
    """Logit adjustment (Menon et al. 2021): ``logit_adjusted_cross_entropy``.

    Args:
        num_classes: C.
        tau: 1 optimises the balanced accuracy, 0 is cross entropy.
        **kwargs: See ``BalancedLoss``.
    """

    uses_counts = True

    def __init__(self, num_classes: int, tau: float = 1.0, **kwargs: Any) -> None:
        self.tau = tau
        super().__init__(num_classes, **kwargs)

    def offset_of(self, counts: Tensor) -> Tensor:
        """Return the logarithm of each class's fraction of the training data, [C]."""
        return log_prior(counts)

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the adjusted cross entropy; for the arguments see ``BalancedLoss.measure``."""
        return logit_adjusted_cross_entropy(score, labels, self.offset, self.tau, weight)


@MODELS.register_module()
class LDAMLoss(BalancedLoss):
    """LDAM (Cao et al. 2019) with deferred re-weighting (DRW): ``ldam_loss``.

    As in the paper's experiments the head is a cosine classifier: features and the weights of the
    last layer have length 1, its bias is not used, and cosines are multiplied by ``scale``.

    Args:
        num_classes: C.
        max_margin: Margin of the rarest class, between cosines; at least 0.
        scale: Factor of the cosines, above 0.
        weight, beta, deferred: See ``BalancedLoss``; by default effective numbers with 0.9999
            for the last fifth of the training, as in the paper's algorithm 1.
        **kwargs: See ``BalancedLoss``.

    Raises:
        ArgumentError: ``max_margin`` or ``scale`` is out of range.
    """

    uses_counts = True
    cosine = True

    def __init__(
        self,
        num_classes: int,
        max_margin: float = 0.5,
        scale: float = 30.0,
        weight: Any = "effective_number",
        beta: float = 0.9999,
        deferred: float = 0.8,
        **kwargs: Any,
    ) -> None:
        if max_margin < 0 or scale <= 0:
            raise ArgumentError(
                f"max_margin must be at least 0 and scale above, got {max_margin} and {scale}"
            )
        # Before the base constructor, which may call ``offset_of``.
        self.max_margin, self.scale = max_margin, scale
        super().__init__(num_classes, weight=weight, beta=beta, deferred=deferred, **kwargs)

    def offset_of(self, counts: Tensor) -> Tensor:
        """Return the margin of each class, [C], for cosines times ``scale``."""
        return self.scale * ldam_margins(counts, self.max_margin)

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the LDAM loss; for the arguments see ``BalancedLoss.measure``."""
        return ldam_loss(score, labels, self.offset, weight)


def build_criterion(
    num_classes: int,
    class_weight: Sequence[float] | None,
    label_smoothing: float,
    config: dict[str, Any] | None,
) -> nn.Module:
    """Build the loss of a classifier: that of ``config``, else torch's cross entropy.

    Args:
        num_classes: C.
        class_weight: C numbers, or None for equal weights.
        label_smoothing: Part of each label that is spread over all classes, 0 to 1.
        config: Config of a registered loss, which gets ``num_classes`` if it is a ``BalancedLoss``.

    Raises:
        ArgumentError: See ``given_weights`` and ``check_smoothing``; or weights or smoothing are
            given together with a config.
    """
    if config is None:
        weight = None
        if class_weight is not None:
            weight = given_weights(class_weight, num_classes, "class_weight")
        return nn.CrossEntropyLoss(weight=weight, label_smoothing=check_smoothing(label_smoothing))
    if class_weight is not None or label_smoothing:
        raise ArgumentError("class_weight and label_smoothing don't go with loss: put them into it")
    # Losses of other libraries (``mmcls.X``) have no ``num_classes``.
    cls = MODELS.get(config["type"])
    is_balanced = isinstance(cls, type) and issubclass(cls, BalancedLoss)
    return MODELS.build({"num_classes": num_classes, **config} if is_balanced else dict(config))


def cosine_scale(criterion: Any) -> float | None:
    """Return the factor of the cosines for a loss on cosines; None for a loss on logits."""
    return criterion.scale if getattr(criterion, "cosine", False) else None


@full_precision
def scaled_cosines(features: Tensor, weight: Tensor, scale: float) -> Tensor:
    """Return the cosines between features [N, D] and classes [C, D], times ``scale``: [N, C]."""
    return scale * F.linear(F.normalize(features), F.normalize(weight))
