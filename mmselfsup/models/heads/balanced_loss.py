"""The base of losses that learn the class counts from the data."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...utils.data_size import DataInfo
from ...utils.errors import ArgumentError, UserError
from ..losses import class_weights

WEIGHTS = ("none", "inverse_frequency", "effective_number")


class BalancedLoss(nn.Module):
    """A loss that may weigh classes. Letters: N images, C classes.

    The counts are told by ``fit_dataset`` before the first iteration, so they stand in no config
    and, as the data have them, in no checkpoint.

    Args:
        num_classes: C; the head says it.
        weight: ``'none'``; ``'inverse_frequency'`` or ``'effective_number'`` of the class counts
            (see ``class_weights``); or C numbers.
        beta: Of the effective number.
        deferred: Share of the training, 0 to 1, during which all classes weigh alike; 0 weighs from
            the start. Cao et al. 2019 defer re-weighting for 0.8.
        class_counts: Images of each class, where the data can't tell.

    Raises:
        ArgumentError: An argument is out of range.
    """

    #: Whether the head has to give cosines, scaled by ``scale``.
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
        ones = torch.ones(num_classes)
        given = ones if isinstance(weight, str) else torch.tensor(weight, dtype=torch.float)
        self.register_buffer("class_weight", given, persistent=False)
        self.register_buffer("offset", torch.zeros(num_classes), persistent=False)
        self.needs_counts = self.uses_counts or self.kind in WEIGHTS[1:]
        self.given_counts, self.knows_counts = class_counts is not None, False
        if class_counts is not None:
            self.set_counts(class_counts)

    def fit_dataset(self, size: DataInfo) -> None:
        """Take the class counts from the training data, where the loss needs them."""
        if not self.needs_counts or self.given_counts:
            return
        if size.class_counts is None:
            raise UserError(
                f"{type(self).__name__} needs the labels of data.train, and it has none: give "
                "class_counts=[...], or another loss"
            )
        self.set_counts(size.class_counts)

    def set_counts(self, counts: Sequence[int]) -> None:
        """Say how many images each class has.

        Raises:
            UserError: More classes than the head has, or a class without an image.
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
        tensor, self.knows_counts = torch.tensor(values), True
        if self.kind == "inverse_frequency":
            self.class_weight.copy_(class_weights.inverse_frequency_weights(tensor))
        elif self.kind == "effective_number":
            self.class_weight.copy_(class_weights.effective_number_weights(tensor, self.beta))
        self.offset.copy_(self.offset_of(tensor))

    def offset_of(self, counts: Tensor) -> Tensor:
        """What the formula adds to the logits of each class, or takes away: [C]."""
        return torch.zeros(self.num_classes)

    def set_progress(self, share: float) -> None:
        """Say which share of the training is done, 0 to 1."""
        self.progress = share

    def current_weight(self) -> Tensor | None:
        """Weights [C] in force, None for equal ones."""
        if self.kind == "none" or self.progress < self.deferred:
            return None
        return self.class_weight

    def forward(self, score: Tensor, labels: Tensor) -> Tensor:
        """Logits [N, C] and labels [N], or shares [N, C] -> a scalar."""
        if self.needs_counts and not self.knows_counts:
            raise UserError(f"{type(self).__name__} was not told the class counts: fit_dataset")
        return self.measure(score, labels, self.current_weight())

    def measure(self, score: Tensor, labels: Tensor, weight: Tensor | None) -> Tensor:
        """The formula."""
        raise NotImplementedError
