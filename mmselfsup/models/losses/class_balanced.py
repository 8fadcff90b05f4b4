"""The base class of losses that take the class counts from the training data.

Letters: N images, C classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError

from ..losses import class_weights

WEIGHTS = ("none", "inverse_frequency", "effective_number")


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
        ArgumentError: ``weight`` or ``deferred`` is out of range.
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
        if not isinstance(weight, str) and len(weight) != num_classes:
            raise ArgumentError(f"weight needs {num_classes} values, got {len(weight)}")
        if not 0 <= deferred <= 1:
            raise ArgumentError(f"deferred must be 0 to 1, got {deferred}")
        self.num_classes, self.beta, self.deferred = num_classes, beta, deferred
        self.kind, self.progress = weight if isinstance(weight, str) else "given", 0.0
        self.class_weight: Tensor
        self.offset: Tensor
        # Not persistent: counts of other data must not come back from a checkpoint, and a model
        # with another loss can load the same weights.
        ones = torch.ones(num_classes)
        given = ones if isinstance(weight, str) else torch.tensor(weight, dtype=torch.float)
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
            self.class_weight.copy_(class_weights.inverse_frequency_weights(tensor))
        elif self.kind == "effective_number":
            self.class_weight.copy_(class_weights.effective_number_weights(tensor, self.beta))
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
