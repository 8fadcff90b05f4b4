"""Views of several sizes: one forward pass for each size.

Caron et al. 2020 (SwAV), section 3.2. Letters: N images, C channels, S side in pixels.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor


def forward_by_size(function: Callable[[Tensor], Any], views: Sequence[Tensor]) -> list[Any]:
    """Call a network once for neighbouring views of one size, joined along the batch.

    Batch normalisation then sees the views of a size together, as in the paper. The order of the
    views is kept.

    Args:
        function: Takes images [M, C, S, S] with M = N times the number of views of that size.
        views: Images [N, C, S, S] each.

    Returns:
        What the function returned, one entry for each size.
    """
    groups = [list(group) for _, group in groupby(views, key=lambda view: view.shape[-2:])]
    return [function(torch.cat(group)) for group in groups]
