"""Work for the next batch on a GPU, beside the step that is running there."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

T = TypeVar("T")


def beside_step(make: Callable[[], T], device: torch.device) -> T:
    """Return what ``make`` returns: copies to the device, transforms of a batch there.

    The host is ahead of a GPU: when it asks for the next batch, the GPU still computes the step
    before. In the queue of the step, the work of ``make`` would begin after it. On a GPU it gets a
    queue of its own (a side stream), so that both run at once; what is queued afterwards waits for
    it. The host waits for nothing. On a CPU this is ``make()``.

    Args:
        make: Work that reads nothing that a step writes.
        device: The device of the step.
    """
    if device.type != "cuda":
        return make()
    main, side = torch.cuda.current_stream(device), _side_stream(device)
    with torch.cuda.stream(side):
        made = make()
    main.wait_stream(side)
    for leaf in tree_leaves(made):
        if isinstance(leaf, Tensor) and leaf.device.type != "cpu":
            # Its memory is the side stream's, which may use it again only after the step.
            leaf.record_stream(main)
    return made


@lru_cache
def _side_stream(device: torch.device) -> Any:
    """Return the side stream of a device, which begins after all that was queued before."""
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    return side
