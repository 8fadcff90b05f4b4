"""A first-in-first-out queue of features on plain buffers.

He et al. 2020 (MoCo), section 3.2. Letters: D width, K length, N new features.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def new_queue(width: int, length: int) -> tuple[Tensor, Tensor]:
    """A queue filled with random unit vectors, and the place of its oldest column.

    Args:
        width: D.
        length: K.

    Returns:
        The queue [D, K] (float32) and a pointer [1] (int64), to be registered as buffers.

    Raises:
        ValueError: a size below 1.
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
        pointer: place of the oldest column, [1] (int64); moved on by N.
        features: [N, D]; of more than K only the last K stay.
    """
    length = queue.shape[1]
    num_new = features.shape[0]
    kept = features[-length:]  # [min(N, K), D]
    skipped = num_new - kept.shape[0]
    steps = torch.arange(skipped, num_new, device=queue.device)  # [min(N, K)]
    queue.index_copy_(1, (pointer + steps) % length, kept.T.to(queue.dtype))
    pointer.copy_((pointer + num_new) % length)
