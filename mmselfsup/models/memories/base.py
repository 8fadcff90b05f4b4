"""The base class of memory banks: a row for each training image, addressed by the image's index.

Letters: L images of the data set, N images of this process, R processes, D width of a row.
"""

from typing import Any
from weakref import ref

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmselfsup.utils import dist
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError

from ..utils.precision import full_precision


def last_of_each(ind: Tensor) -> Tensor:
    """Return for every entry the position of the last equal entry.

    An image may be drawn twice in a batch. Writing its last row at all of its positions makes the
    order of writing irrelevant, which is not defined on GPUs.

    Args:
        ind: Indices of images, [N] (int64).

    Returns:
        Positions [N] (int64), 0 to N - 1.
    """
    equal = ind[:, None] == ind[None, :]  # [N, N]
    positions = torch.arange(len(ind), device=ind.device)  # [N]
    return torch.where(equal, positions, -1).amax(dim=1)


class _Reader:
    """Who needs the rows of a bank as they are now, until its backward pass has run.

    Args:
        bank: The bank, [L, D].
    """

    def __init__(self, bank: Tensor) -> None:
        self.bank = bank
        self.version = bank._version  # of autograd: it counts the writes into the bank
        self._replaced: list[tuple[Tensor, Tensor]] = []  # images and their earlier rows, in turn

    def keep(self, ind: Tensor) -> None:
        """Keep the rows of these images, [N], which are replaced next."""
        self._replaced.append((ind, self.bank[ind]))

    def exchange(self) -> None:
        """Put the earlier rows back into the bank, or, the second time, the later ones."""
        bank = self.bank.data  # whose writes are not counted: the second time undoes the first
        for place in reversed(range(len(self._replaced))):
            ind, rows = self._replaced[place]
            self._replaced[place] = ind, bank[ind]
            bank[ind] = rows
        self._replaced.reverse()


class _Products(torch.autograd.Function):
    """``feature @ bank.T`` for a bank whose rows are replaced before the backward pass.

    Autograd would refuse it, and a copy of the bank for each step takes its memory again.
    """

    @staticmethod
    def forward(ctx: Any, feature: Tensor, reader: _Reader) -> Tensor:
        ctx.reader = reader
        return feature @ reader.bank.T.to(feature.dtype)  # [N, L]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        if ctx.reader.bank._version != ctx.reader.version:
            raise UserError(
                "the feature_bank of a memory was written into between the loss and its backward "
                "pass, so the gradient would be wrong: write through the memory's blend(), or "
                "after the backward pass"
            )
        ctx.reader.exchange()
        result = grad @ ctx.reader.bank.to(grad.dtype)  # [N, D]
        ctx.reader.exchange()
        return result, None


class FeatureBank(BaseModule):
    """A moving average of each image's feature, in rows of unit length.

    The bank is a buffer (float32): it moves with the model and is part of its checkpoint. In 0.x it
    was a plain tensor, so a 0.x checkpoint has none and the bank restarts from its initial rows.

    Args:
        length: L; None takes it from the training data, see ``fit_dataset``.
        feat_dim: D.
        momentum: Coefficient of the new feature in an update, 0 to 1.

    Raises:
        ArgumentError: A size is below 1, or the momentum lies outside 0..1.
    """

    #: Only the training reads the bank, so tests accept checkpoints without one that fits.
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
        self._readers: list[ref[_Reader]] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_readers": []}  # copies of the bank have no readers yet

    def first_rows(self, length: int) -> Tensor:
        """Return the initial rows [length, D], float32: random unit vectors."""
        return F.normalize(torch.randn(length, self.feat_dim), dim=1)

    def fit_dataset(self, size: DataInfo) -> None:
        """Take the length from the training data, or check the given one.

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
        """Create the buffers for ``length`` images, unless they have that length already."""
        if len(self.feature_bank) != length:
            self.feature_bank = self.first_rows(length).to(self.feature_bank)

    @full_precision
    def products(self, feature: Tensor) -> Tensor:
        """Return the products of features [N, D] with all rows, [N, L], with gradient.

        The gradient is that of the rows as they are now, whatever ``blend`` does to them before the
        backward pass, and the bank is not copied, unless a subclass has an own ``blend`` or
        ``update``, which may write into the bank itself, as in 0.x.

        Raises:
            UserError: In the backward pass, when something else wrote into the bank.
        """
        if not self._writes_are_known():
            return feature @ self.feature_bank.clone().T.to(feature.dtype)
        reader = _Reader(self.feature_bank)
        products: Tensor = _Products.apply(feature, reader)  # type: ignore[no-untyped-call]
        if products.requires_grad:  # its graph keeps the reader alive
            self._readers = [other for other in self._readers if other() is not None]
            self._readers.append(ref(reader))
        return products

    @torch.no_grad()
    @full_precision
    def blend(self, ind: Tensor, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Move the rows of the joined batch towards its features, in place.

        ``row <- normalised((1 - momentum) * row + momentum * normalised feature)``. All ranks must
        call it together.

        Args:
            ind: Indices of the images, [N] (int64), 0 to L - 1.
            feature: Features of any length, [N, D].

        Returns:
            The indices [RN] and their new rows [RN, D] of all ranks, equal on all ranks.

        Raises:
            ArgumentError: The length is not known yet.
        """
        if not len(self.feature_bank):
            raise ArgumentError(
                f"{type(self).__name__} has no length: give one, or call fit_dataset with the size "
                "of the training data"
            )
        # All ranks apply the same update, so their banks stay equal without a broadcast.
        ind, feature = dist.all_gather_cat(ind), dist.all_gather_cat(feature)  # [RN], [RN, D]
        new = F.normalize(feature.to(self.feature_bank.dtype), dim=1)
        rows = F.normalize(torch.lerp(self.feature_bank[ind], new, self.momentum), dim=1)
        rows = rows[last_of_each(ind)]  # [RN, D]
        alive = (reference() for reference in self._readers)
        readers = [one for one in alive if one is not None and one.bank is self.feature_bank]
        before = self.feature_bank._version
        for reader in readers:
            reader.keep(ind)
        self.feature_bank[ind] = rows
        for reader in readers:
            reader.version += self.feature_bank._version - before
        return ind, rows

    def _writes_are_known(self) -> bool:
        """Return whether ``blend``, and ``update`` if there is one, are those of this package."""
        methods = (getattr(self, name, None) for name in ("blend", "update"))
        package = __name__.partition(".")[0]
        return all(
            getattr(method, "__module__", package).partition(".")[0] == package
            for method in methods
        )

    @torch.no_grad()
    def synchronise(self) -> None:
        """Copy the buffers of the first rank to all ranks; all ranks must call it."""
        for buffer in self.buffers():
            buffer.copy_(dist.broadcast(buffer))
