"""Where masks are true, found without a wait for the device."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

#: Images and places in them, two int64 tensors [M].
Places = tuple[Tensor, Tensor]


def masked_places(mask: Tensor, count: int | None = None) -> Places:
    """Return rows and columns at which a mask is true, row by row; ``x[masked_places(mask)]``.

    Indexing with the mask itself would make the host wait for a GPU, to learn how many there are.

    Args:
        mask: True at the places meant, or 1, [N, L].
        count: How many places are true, M, where the host knows it (``BaseModel.count_on_host``);
            None waits for the device.

    Returns:
        Two int64 tensors [M].
    """
    flat = mask.flatten().bool()
    if count is None:
        places = flat.nonzero().flatten()
    else:
        places = flat.to(torch.uint8).argsort(descending=True, stable=True)[:count]
    return places // mask.shape[1], places % mask.shape[1]


def count_masked(masks: Sequence[Any]) -> dict[str, int]:
    """Return ``num_masked``, how many places of all masks are true.

    Empty where a mask is no tensor on the CPU: the step then counts for itself, and waits.
    """
    if not all(isinstance(mask, Tensor) and mask.device.type == "cpu" for mask in masks):
        return {}
    return {"num_masked": sum(int(mask.count_nonzero()) for mask in masks)}
