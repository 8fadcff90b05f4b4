"""What every memory bank has: a row for each training image, found by the image's index.

Letters: L images of the data set, N images of this process, R processes, D width of a row.
"""

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor

from ...utils import dist
from ...utils.data_size import DataInfo
from ...utils.errors import ArgumentError, UserError
from ..utils.precision import full_precision


def last_of_each(ind: Tensor) -> Tensor:
    """For every entry the place of the last equal one: [N] -> [N].

    An image may be drawn twice in a batch. Writing the row of its last place for all of them makes
    the order of writing irrelevant, on any device.
    """
    equal = ind[:, None] == ind[None, :]  # [N, N]
    places = torch.arange(len(ind), device=ind.device)
    return torch.where(equal, places, -1).amax(dim=1)


class FeatureBank(BaseModule):
    """Unit rows that follow the features of their images by a moving average.

    The bank is a buffer: it moves with the model and is in its checkpoint. In 0.x it was a plain
    tensor, so a 0.x checkpoint has none and the bank starts anew.

    Args:
        length: L; None takes it from the training data, see ``fit_dataset``.
        feat_dim: D.
        momentum: Share of the new feature in a row, 0 to 1.

    Raises:
        ArgumentError: A size below 1, or a momentum outside 0..1.
    """

    #: A test doesn't need the bank of its checkpoint.
    training_only = True
    feature_bank: Tensor

    def __init__(self, length: int | None, feat_dim: int, momentum: float) -> None:
        super().__init__()
        if feat_dim < 1 or (length is not None and length < 1):
            raise ArgumentError(f"length and feat_dim count from 1, got {length} and {feat_dim}")
        if not 0 <= momentum <= 1:
            raise ArgumentError(f"momentum must lie in 0..1, got {momentum}")
        self.length, self.feat_dim, self.momentum = length, feat_dim, momentum
        self.register_buffer("feature_bank", self.first_rows(length or 0))

    def first_rows(self, length: int) -> Tensor:
        """The rows [length, D] before any image was seen: random unit vectors."""
        return F.normalize(torch.randn(length, self.feat_dim), dim=1)

    def fit_dataset(self, size: DataInfo) -> None:
        """Take the length of the training data, or check the given one against it.

        Raises:
            UserError: The given length is not the number of images.
        """
        if self.length is None:
            self.allocate(size.num_images)
        elif self.length != size.num_images:
            raise UserError(
                f"model.memory_bank.length is {self.length}, but the training data have "
                f"{size.num_images} images: set it to {size.num_images}, or to None to take it "
                "from the data"
            )

    def allocate(self, length: int) -> None:
        """Make the buffers for ``length`` images, unless they are there already."""
        if len(self.feature_bank) != length:
            self.feature_bank = self.first_rows(length).to(self.feature_bank)

    @torch.no_grad()
    @full_precision
    def blend(self, ind: Tensor, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Move the rows of the joined batch towards its features, in place.

        row <- normalised((1 - momentum) * row + momentum * normalised feature)

        Args:
            ind: Indices of the images, [N] (int64).
            feature: [N, D].

        Returns:
            The indices [RN] and their new rows [RN, D] of all ranks, equal on all of them.

        Raises:
            ArgumentError: The length is not known yet.
        """
        if not len(self.feature_bank):
            raise ArgumentError(
                f"{type(self).__name__} has no length: give one, or call fit_dataset with the size "
                "of the training data"
            )
        ind, feature = dist.all_gather_cat(ind), dist.all_gather_cat(feature)  # [RN], [RN, D]
        new = F.normalize(feature.to(self.feature_bank.dtype), dim=1)
        rows = F.normalize(torch.lerp(self.feature_bank[ind], new, self.momentum), dim=1)
        rows = rows[last_of_each(ind)]  # [RN, D]
        self.feature_bank[ind] = rows
        return ind, rows

    @torch.no_grad()
    def synchronise(self) -> None:
        """Give the buffers of the first rank to all; all ranks must call it."""
        for buffer in self.buffers():
            buffer.copy_(dist.broadcast(buffer))
