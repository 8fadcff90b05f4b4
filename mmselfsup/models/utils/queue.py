"""A first-in-first-out queue of features on plain buffers.

He et al. 2020 (MoCo), section 3.2. Letters: D width, K length, N new features.
"""

import logging

import torch
import torch.nn.functional as F
from torch import Tensor

from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import NAME

#: Length of a queue for large data sets, as in the papers (MoCo, DenseCL).
MAX_QUEUE_LEN = 65536


def new_queue(width: int, length: int) -> tuple[Tensor, Tensor]:
    """Return a queue filled with random unit vectors, and the position of its oldest column.

    Args:
        width: D, at least 1.
        length: K, at least 1.

    Returns:
        The queue [D, K] (float32) and a pointer [1] (int64), to be registered as buffers.

    Raises:
        ValueError: A size is below 1.
    """
    if width < 1 or length < 1:
        raise ValueError(f"a queue needs a width and a length from 1, got {width} and {length}")
    queue = F.normalize(torch.randn(width, length), dim=0)  # [D, K]
    return queue, torch.zeros(1, dtype=torch.long)


@torch.no_grad()
def enqueue(queue: Tensor, pointer: Tensor, features: Tensor) -> None:
    """Overwrite the oldest columns, in place; N may be any number.

    Args:
        queue: The queue, [D, K].
        pointer: Position of the oldest column, [1] (int64), 0 to K - 1; advanced by N, modulo K.
        features: New features, [N, D]; of more than K only the last K are stored.
    """
    length = queue.shape[1]
    num_new = features.shape[0]
    newest = features[-length:]  # [min(N, K), D]
    skipped = num_new - newest.shape[0]
    # Positions are computed on the device: reading the pointer would wait for it.
    steps = torch.arange(skipped, num_new, device=queue.device)  # [min(N, K)]
    queue.index_copy_(1, (pointer + steps) % length, newest.T.to(queue.dtype))
    pointer.copy_((pointer + num_new) % length)


def fitting_queue_len(images: int, batch: int) -> int:
    """Return the length of a queue that suits the training data.

    It is the largest power of two up to a quarter of the images, so that an image rarely has its
    own last key among its negatives; at least one batch, at most ``MAX_QUEUE_LEN``. It doesn't
    depend on the batch otherwise, so a run can be resumed with another number of processes.

    Args:
        images: Number of training images.
        batch: Images of an iteration, over all processes.

    Returns:
        K.
    """
    # A power of two: a few images more or less rarely change the length.
    quarter = max(images // 4, 1)
    return min(max(power_of_two(quarter), batch), MAX_QUEUE_LEN)


def power_of_two(number: int) -> int:
    """Return the largest power of two up to a number from 1."""
    return 1 << (number.bit_length() - 1)


def fit_queue_len(given: int | None, size: DataInfo, owner: object) -> int:
    """Return the length of a queue for the training data, and log it where it was not given.

    If not given, it is ``fitting_queue_len``.

    Args:
        given: The length that the user set, or None.
        size: Size of the training data and of a batch.
        owner: The algorithm; messages name its class.

    Returns:
        K.

    Raises:
        UserError: The given length is shorter than a batch of all processes.
    """
    method, batch, images = type(owner).__name__, size.batch_size, size.num_images
    fitting = fitting_queue_len(images, batch)
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
            "%s: queue_len=%d is more than the %d images, so that each is its own negative; "
            "%d would be suitable",
            *(method, given, images, fitting),
        )
    return given


@torch.no_grad()
def push_newest(queue: Tensor, features: Tensor) -> Tensor:
    """Return a queue with new features at the front, without the oldest ones at the end.

    SwAV's queue has this order, newest first, so that its zero rows show how full it is.

    Args:
        queue: One queue for each of A views, [A, K, D].
        features: New features, [A, N, D], for any N.

    Returns:
        A new queue [A, K, D].
    """
    return torch.cat((features.to(queue.dtype), queue), dim=1)[:, : queue.shape[1]]
