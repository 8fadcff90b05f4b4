"""The losses for ``ClsHead(loss=dict(type=...))``; their formulas are in ``models/losses``.

Letters: N images, C classes, D width of a feature.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..builder import MODELS
from ..losses import class_losses, class_weights
from ..utils.precision import full_precision
from .balanced_loss import BalancedLoss


@MODELS.register_module()
class CrossEntropyLoss(BalancedLoss):
    """Cross entropy with class weights: ``weighted_cross_entropy``.

    Args:
        num_classes: C.
        label_smoothing: Part of each label that is spread over all classes, 0 to 1.
        **kwargs: See ``BalancedLoss``.
    """

    def __init__(self, num_classes: int, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(num_classes, **kwargs)
        self.label_smoothing = label_smoothing

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the cross entropy; for the arguments see ``BalancedLoss.measure``."""
        return class_losses.weighted_cross_entropy(score, labels, weight, self.label_smoothing)


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
        return class_losses.focal_loss(score, labels, self.gamma, weight)


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
        return class_weights.log_prior(counts)

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the adjusted cross entropy; for the arguments see ``BalancedLoss.measure``."""
        return class_losses.logit_adjusted_cross_entropy(
            score, labels, self.offset, self.tau, weight
        )


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
        return self.scale * class_weights.ldam_margins(counts, self.max_margin)

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """Return the LDAM loss; for the arguments see ``BalancedLoss.measure``."""
        return class_losses.ldam_loss(score, labels, self.offset, weight)


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
        ArgumentError: The number of weights is not C, or weights or smoothing are given together
            with a config.
    """
    if config is None:
        if class_weight is not None and len(class_weight) != num_classes:
            raise ArgumentError(f"class_weight needs {num_classes} values, got {len(class_weight)}")
        weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float)
        return nn.CrossEntropyLoss(weight=weight, label_smoothing=label_smoothing)
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
