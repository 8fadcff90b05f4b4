"""The head of W-MSE. Letters: N images of this process, R processes, V views, D width."""

from itertools import combinations

import torch
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils import dist
from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import negative_cosine
from ..utils import full_precision
from ..utils.whitening import check_shrinkage, cholesky_whitening


@HEADS.register_module()
class WMSEHead(BaseModule):
    """The distance of whitened projections of the views of an image.

    Ermolov et al. 2021 (W-MSE), section 3, with its batch slicing: the images
    of all processes are shuffled and cut into slices, the same for all views; each slice of each
    view is whitened on its own.

    Args:
        slice_size: Images of a slice, about twice the width D (the paper: 128 for D = 64); None
            takes the whole batch, and draws no order.
        num_slicings: How often the batch is shuffled and cut in an iteration, at least 1.
        shrinkage: Share of the identity in the covariance, see ``cholesky_whitening``.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self, slice_size: int | None = None, num_slicings: int = 1, shrinkage: float = 0.0
    ) -> None:
        super().__init__()
        if (slice_size is not None and slice_size < 2) or num_slicings < 1:
            raise ArgumentError(
                "slice_size must be None or from 2, and num_slicings from 1, got "
                f"{slice_size} and {num_slicings}"
            )
        self.slice_size, self.num_slicings = slice_size, num_slicings
        self.shrinkage = check_shrinkage(shrinkage)

    @full_precision
    def forward(self, views: Tensor) -> dict[str, Tensor]:
        """Return ``loss`` in 0..4, a float32 scalar, equal on all processes.

        Args:
            views: Projections [V, N, D]; those of all processes are joined.

        Raises:
            ArgumentError: The covariance of a slice has no inverse.
        """
        joined = dist.gather_with_grad(views.transpose(0, 1))  # [R*N, V, D]
        losses = []
        for _ in range(self.num_slicings):
            slices = self._slices(len(joined), joined.device)
            whitened = [
                torch.cat([cholesky_whitening(view[rows], self.shrinkage) for rows in slices])
                for view in joined.unbind(dim=1)
            ]  # for each view [R*N, D], in one order
            # The squared distance of unit vectors.
            losses += [2 + 2 * negative_cosine(a, b) for a, b in combinations(whitened, 2)]
        return {"loss": torch.stack(losses).mean()}

    def _slices(self, number: int, device: torch.device) -> list[Tensor]:
        """Return indices of the images of each slice, the same on all processes.

        Slices are as equal as possible, none smaller than ``slice_size`` where there are several.
        """
        count = 1 if self.slice_size is None else max(number // self.slice_size, 1)
        if count == 1:
            return [torch.arange(number, device=device)]
        order = dist.broadcast(torch.randperm(number, device=device))
        return list(order.tensor_split(count))
