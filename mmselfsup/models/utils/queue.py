"""A first-in-first-out queue of features on plain buffers.

He et al. 2020 (MoCo), section 3.2. Letters: D width, K length, N new features.
"""

import logging

import torch
import torch.nn.functional as F
from torch import Tensor

from ...utils.data_size import DataInfo
from ...utils.errors import UserError
from ...utils.logger import NAME

#: Length of a queue for data sets that are large enough, as in the papers.
MAX_QUEUE_LEN = 65536


def new_queue(width: int, length: int) -> tuple[Tensor, Tensor]:
    """A queue filled with random unit vectors, and the place of its oldest column.

    Args:
        width: D.
        length: K.

    Returns:
        The queue [D, K] (float32) and a pointer [1] (int64), to be registered as buffers.

    Raises:
        ValueError: A size below 1.
    """
    if width < 1 or length < 1:
        raise ValueError(f"a queue needs a width and a length from 1, got {width} and {length}")
    queue = F.normalize(torch.randn(width, length), dim=0)  # [D, K]
    return queue, torch.zeros(1, dtype=torch.long)


@torch.no_grad()
def enqueue(queue: Tensor, pointer: Tensor, features: Tensor) -> None:
    """Overwrite the oldest columns, in place; it goes round at any batch size.

    Args:
        queue: [D, K].
        pointer: Place of the oldest column, [1] (int64); moved on by N.
        features: [N, D]; of more than K only the last K stay.
    """
    length = queue.shape[1]
    num_new = features.shape[0]
    kept = features[-length:]  # [min(N, K), D]
    skipped = num_new - kept.shape[0]
    steps = torch.arange(skipped, num_new, device=queue.device)  # [min(N, K)]
    queue.index_copy_(1, (pointer + steps) % length, kept.T.to(queue.dtype))
    pointer.copy_((pointer + num_new) % length)


def fit_queue_len(given: int | None, size: DataInfo, owner: object) -> int:
    """The length of a queue for a data set.

    Not given, it is the largest power of two up to a quarter of the images, so that an image
    seldom meets its own last key as a negative; at least one batch, at most ``MAX_QUEUE_LEN``. It
    doesn't depend on the batch otherwise, so a run can be resumed on another number of processes.

    Args:
        given: The length that the user chose, or None.
        size: Of the training data.
        owner: The method; its class is named in the messages.

    Raises:
        UserError: The given length is shorter than a batch.
    """
    method, batch, images = type(owner).__name__, size.batch_size, size.num_images
    quarter = max(images // 4, 1)
    fitting = min(max(1 << (quarter.bit_length() - 1), batch), MAX_QUEUE_LEN)
    if given is None:
        logging.getLogger(NAME).info("%s: queue_len is %d, from %d images", method, fitting, images)
        return fitting
    if given < batch:
        raise UserError(
            f"{method}: queue_len={given} is shorter than a batch of {batch} images (of all "
            f"processes): set model.queue_len to {max(fitting, batch)}, or to None"
        )
    if given > images:
        logging.getLogger(NAME).warning(
            "%s: queue_len=%d, but there are %d images: each meets itself as a negative; "
            "%d would suit them",
            *(method, given, images, fitting),
        )
    return given


@torch.no_grad()
def push_newest(queue: Tensor, features: Tensor) -> Tensor:
    """Put features at the front and drop the oldest at the end; any number of them.

    SwAV's queue keeps this order, newest first, so that it says by itself how full it is.

    Args:
        queue: [A, K, D], one queue for each of A views.
        features: [A, N, D].

    Returns:
        A new queue [A, K, D].
    """
    return torch.cat((features.to(queue.dtype), queue), dim=1)[:, : queue.shape[1]]
