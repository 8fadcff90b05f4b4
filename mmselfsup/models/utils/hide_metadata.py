"""Metadata that a training hides now and then. Letters: N images, D width of a patient's code."""

import torch
from torch import Tensor, nn

from ...utils.errors import ArgumentError
from ...utils.patients import PARTS, encode_patient


class HideMetadata(nn.Module):
    """In training, makes age, site and sex "not known", each by itself; does nothing in a test.

    A network that sees them all the time would rely on them, and learn that an image without them
    is of the clinic that doesn't give them. Source: Gessert et al. 2020 (see
    ``mmselfsup.utils.patients``), who hide each with a probability of 0.1.

    Args:
        prob: How often each is hidden, 0 to 1.

    Raises:
        ArgumentError: ``prob`` is out of range.
    """

    nothing: Tensor
    part: Tensor

    def __init__(self, prob: float) -> None:
        super().__init__()
        if not 0 <= prob <= 1:
            raise ArgumentError(f"missing_prob must be 0 to 1, got {prob}")
        self.prob = prob
        parts = [number for number, width in enumerate(PARTS.values()) for _ in range(width)]
        self.register_buffer("nothing", torch.from_numpy(encode_patient()), persistent=False)  # [D]
        self.register_buffer("part", torch.tensor(parts), persistent=False)  # [D], 0, 1 or 2

    def forward(self, patient: Tensor) -> Tensor:
        """Codes [N, D] -> codes [N, D]; the input stays as it is."""
        if not self.training or not self.prob:
            return patient
        hidden = torch.rand(len(patient), len(PARTS), device=patient.device) < self.prob
        return torch.where(hidden[:, self.part], self.nothing, patient)

    def extra_repr(self) -> str:
        return f"prob={self.prob}"
