"""The targets that a teacher gives: its scores, centred or balanced, and sharpened.

Centring: Caron et al. 2021 (DINO), section 3.1, equation 4. Balancing by Sinkhorn-Knopp: Caron et
al. 2020 (SwAV), in the place of centring: Ruan et al. 2023, Oquab et al. 2023 (DINOv2), section 4.

Letters: R processes, M scores of this process, K outputs.
"""

import torch
from torch import Tensor, nn

from mmselfsup.utils import dist
from mmselfsup.utils.distributed_sinkhorn import distributed_sinkhorn
from mmselfsup.utils.errors import ArgumentError

KINDS = ("mean", "sinkhorn", "none")


class Centring(nn.Module):
    """Scores of a teacher become distributions over the K outputs.

    Without it one output wins for all images; without a low temperature all outputs get the same
    probability. Together they keep a teacher from both kinds of collapse.

    Args:
        width: K, at least 1.
        kind: ``"mean"`` subtracts a moving mean of the scores of all processes; ``"sinkhorn"``
            balances the outputs over the samples of all processes; ``"none"`` does neither.
        momentum: Coefficient of the old centre, 0 to 1.
        iterations: Iterations of Sinkhorn-Knopp, at least 1.

    Attributes:
        center: The centre [K], float32, zeros at the start; part of checkpoints.

    Raises:
        ArgumentError: An argument is out of range.
    """

    center: Tensor

    def __init__(
        self, width: int, kind: str = "mean", momentum: float = 0.9, iterations: int = 3
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ArgumentError(f"centring must be one of {', '.join(KINDS)}, got {kind!r}")
        if not 0 <= momentum <= 1 or iterations < 1:
            raise ArgumentError(
                "center_momentum must be in 0..1 and sinkhorn_iterations from 1, got "
                f"{momentum} and {iterations}"
            )
        self.kind, self.momentum, self.iterations = kind, momentum, iterations
        self.register_buffer("center", torch.zeros(width))

    @torch.no_grad()
    def forward(self, scores: Tensor, temperature: float) -> Tensor:
        """Return the targets; in training, move the centre after it was used.

        All processes call it together; their M may differ, and be 0.

        Args:
            scores: Scores of the teacher, [..., K] with M rows in all.
            temperature: Temperature of the teacher, above 0 (epsilon of Sinkhorn-Knopp).

        Returns:
            Distributions [..., K] without gradient, float32 (float64 for such scores); each row
            sums to 1.
        """
        rows = scores.flatten(0, -2)  # [M, K]
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        if self.kind == "sinkhorn":
            world = dist.get_world_size()
            targets = distributed_sinkhorn(rows, self.iterations, world, temperature)
        else:
            # Without centring the centre stays 0.
            targets = torch.softmax((rows - self.center.to(rows.dtype)) / temperature, dim=1)
        if self.training and self.kind == "mean":
            self._move(rows)
        return targets.view_as(scores)

    def _move(self, rows: Tensor) -> None:
        """Move the centre towards the mean of the rows [M, K] of all processes (equation 4)."""
        count = rows.new_full((1,), len(rows))
        total = dist.all_reduce(torch.cat((rows.sum(dim=0), count)))  # [K + 1]
        mean = total[:-1] / total[-1].clamp(min=1)  # [K]
        # Without a row there is nothing to follow; no comparison waits for the device.
        step = (1 - self.momentum) * (total[-1] > 0).to(rows.dtype)
        self.center.lerp_(mean.to(self.center.dtype), step.to(self.center.dtype))
