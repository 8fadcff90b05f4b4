"""The projections that a joint-embedding method compares.

Letters: N images, P pairs of views, D width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.models.utils import ExtractProcess
from mmselfsup.models.utils.precision import to_float32
from mmselfsup.utils.device import to_device
from mmselfsup.utils.module import module_device

from .collapse import alignment

_MAX_PAIRS = 128


def find_projector(model: Any) -> nn.Module | None:
    """Return the neck behind the online backbone; None if there is none.

    It is ``model.neck``, or the end of the first online network of ``model.momentum_pairs()``, a
    sequence of backbone and neck.
    """
    neck = getattr(model, "neck", None)
    if isinstance(neck, nn.Module):
        return neck
    pairs = model.momentum_pairs() if hasattr(model, "momentum_pairs") else []
    online = pairs[0][0] if pairs else None
    return online[-1] if isinstance(online, nn.Sequential) and len(online) > 1 else None


def project(model: nn.Module, features: Sequence[Any]) -> Tensor | None:
    """Send features of the backbone through the projector.

    Args:
        model: The model in eval mode.
        features: One entry for each stage, as ``extract_feat`` returns them.

    Returns:
        Projections [N, D], float32 on the CPU: of several outputs (DenseCL) the first, that of
        whole images. None without a projector or if its outputs are not vectors.
    """
    neck = find_projector(model)
    if neck is None:
        return None
    output = neck([to_float32(feature) for feature in features])
    first = output[0] if isinstance(output, list | tuple) else output
    is_vector = isinstance(first, Tensor) and first.ndim == 2
    return first.float().cpu() if is_vector else None


def see_views(model: nn.Module, views: tuple[Tensor, Tensor]) -> tuple[float, Tensor | None]:
    """Return the alignment of two views [N, 3, H, W], and the projections of both [2 P, D].

    Args:
        model: The model in eval mode.
        views: Two views of each image; the first 128 images are used.
    """
    process, device = ExtractProcess(), module_device(model)
    pooled, projected = [], []
    for view in views:
        features = model(to_device(view[:_MAX_PAIRS], device), mode="extract")
        pooled.append(process.pool(features)["feat"].flatten(1))  # [P, D]
        projected.append(project(model, features))
    known = [p for p in projected if p is not None]
    return float(alignment(*pooled)), torch.cat(known) if known else None
