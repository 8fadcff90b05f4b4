"""A queue of projections in which the nearest neighbour of a new one is looked up.

Dwibedi et al. 2021 (NNCLR), section 3.2, "support set". Letters: N images of this process, R
processes, D width, K length.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.utils import dist
from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError

from .precision import full_precision, to_float32
from .queue import MAX_QUEUE_LEN, enqueue, fit_queue_len, new_queue


class NeighbourQueue(nn.Module):
    """The support set: the projections of earlier batches, of all processes, of unit length.

    Neighbours are ranked in float32 under mixed precision too: in half precision the cosines of
    similar images are equal, and the first of them in the queue would be taken.

    Args:
        feat_dim: D.
        length: K, at least a batch of all processes; None derives it from the number of training
            images, see ``fit_queue_len``.
    """

    queue: Tensor
    queue_ptr: Tensor

    def __init__(self, feat_dim: int, length: int | None = None) -> None:
        super().__init__()
        self.length = length
        # The data are not known yet: without a length, ``fit_dataset`` shortens the longest queue.
        queue, pointer = new_queue(feat_dim, MAX_QUEUE_LEN if length is None else length)
        self.register_buffer("queue", queue)  # [D, K]
        self.register_buffer("queue_ptr", pointer)  # [1]

    def fit_dataset(self, size: DataInfo) -> None:
        """Check the length, or derive it from the training data.

        Raises:
            UserError: See ``fit_queue_len``.
        """
        self.length = fit_queue_len(self.length, size, self)
        self.queue = self.queue[:, : self.length].clone()  # [D, K]

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the neighbours [N, D] of the projections [N, D] of two views.

        In training the projections of the first view then enter the queue.
        """
        near = self.nearest(first), self.nearest(second)
        if self.training:
            self.push(first)
        return near

    @torch.no_grad()
    @full_precision
    def nearest(self, z: Tensor) -> Tensor:
        """Return the element of the queue with the largest cosine to each projection.

        Args:
            z: Projections [N, D], of any length.

        Returns:
            Unit vectors [N, D], float32, without gradient: a copy.
        """
        cosine = F.normalize(z, dim=1) @ self.queue  # [N, K]
        return self.queue.index_select(1, cosine.argmax(dim=1)).T.contiguous()

    @torch.no_grad()
    @full_precision
    def several(self, z: Tensor, count: int) -> Tensor:
        """Return the elements of the queue with the largest cosines to each projection.

        Args:
            z: Projections [N, D], of any length.
            count: How many, 1 to K.

        Returns:
            Unit vectors [N, count, D], float32, without gradient, the nearest first: a copy.

        Raises:
            ArgumentError: The queue has fewer elements.
        """
        if not 1 <= count <= self.queue.shape[1]:
            raise ArgumentError(
                f"{count} neighbours from a queue of {self.queue.shape[1]}: set num_neighbours to "
                "1 or more, and queue_len to at least as many"
            )
        cosine = F.normalize(z, dim=1) @ self.queue  # [N, K]
        return self.queue.T[cosine.topk(count, dim=1).indices]  # [N, count, D]

    @torch.no_grad()
    def push(self, z: Tensor) -> None:
        """Replace the oldest elements by the projections [N, D] of all processes."""
        enqueue(self.queue, self.queue_ptr, dist.all_gather_cat(F.normalize(to_float32(z), dim=1)))
