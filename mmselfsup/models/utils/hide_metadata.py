"""Random hiding of metadata in training. Letters: N images, D width of a patient's code."""

import torch
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError
from mmselfsup.utils.patients import PARTS, encode_patient


class HideMetadata(nn.Module):
    """Replacement of age, site and sex by "not known", each independently, in training only.

    A network that always has them would rely on them, and learn that images without them come from
    a clinic that doesn't record them. Source: Gessert et al. 2020 (see ``encode_patient``), who
    hide each with a probability of 0.1.

    Args:
        prob: Probability of hiding each of them, 0 to 1.

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
        """Return the codes [N, D] with hidden parts; the input is not changed.

        Args:
            patient: Codes [N, D] (float32), see ``encode_patient``.
        """
        if not self.training or not self.prob:
            return patient
        # One draw for each part of a code (age, site, sex), spread over the columns of the part.
        hidden = torch.rand(len(patient), len(PARTS), device=patient.device) < self.prob
        return torch.where(hidden[:, self.part], self.nothing, patient)

    def extra_repr(self) -> str:
        """Return the arguments for ``repr``."""
        return f"prob={self.prob}"
