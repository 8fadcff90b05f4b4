"""Views of several sizes: one forward pass for each size.

Caron et al. 2020 (SwAV), section 3.2. Letters: N images, C channels, S side in pixels.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor


def forward_by_size(function: Callable[[Tensor], Any], views: Sequence[Tensor]) -> list[Any]:
    """Call a network once for consecutive views of one size, joined along the batch.

    Batch normalisation then uses the statistics of all views of a size, as in the paper. The order
    of the views stays.

    Args:
        function: A function of images [M, C, S, S], M = N times the number of views of that size.
        views: Images of each view, [N, C, S, S].

    Returns:
        The results of the function, one entry for each size.
    """
    # ``groupby`` joins consecutive views only, which keeps their order.
    groups = [list(group) for _, group in groupby(views, key=lambda view: view.shape[-2:])]
    return [function(torch.cat(group)) for group in groups]
