"""Grad-CAM: where the evidence for a class lies.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (ICCV 2017), section 3.

Letters: N images, C classes, K channels, h, w places of a map.

The gradient is needed at the last map only, so it passes through the head and no further: frozen
backbones work, and no hook is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mmselfsup.utils.errors import UserError


def grad_cam(maps: Tensor, classify: Callable[[Tensor], Tensor], classes: Tensor) -> Tensor:
    """Return the map of each image for one class, equations 1 and 2.

    alpha_k = mean over the places of d y_c / d A_k; L = ReLU(sum over k of alpha_k A_k).

    Args:
        maps: A, [N, K, h, w].
        classify: Function of the maps that returns y, the scores before the softmax [N, C]; an
            image's scores must not depend on the other images (eval mode).
        classes: c, [N], 0..C-1.

    Returns:
        L, [N, h, w], 0 or more, in the unit of y.

    Raises:
        UserError: The scores do not depend on the maps.
    """
    with torch.enable_grad():
        maps = maps.detach().requires_grad_()
        # Summed, as y of an image depends on its own map alone: one backward pass for all.
        scores = classify(maps).gather(1, classes[:, None])  # [N, 1]
        used = scores.requires_grad
        slopes = torch.autograd.grad(scores.sum(), maps, allow_unused=True)[0] if used else None
    if slopes is None:
        raise UserError("the head does not use the last map of the backbone: no heat maps")
    alpha = slopes.mean(dim=(2, 3), keepdim=True)  # [N, K, 1, 1]
    return (alpha * maps).sum(dim=1).relu().detach()  # [N, h, w]


@torch.no_grad()
def heat_maps(
    model: nn.Module, img: Tensor, classes: Tensor, patient: Tensor | None = None
) -> Tensor:
    """Return the Grad-CAM of a classifier at the last stage of its backbone.

    Args:
        model: A ``Classification`` in eval mode.
        img: Images [N, 3, H, W].
        classes: Class of each image whose evidence is shown, [N].
        patient: Data of the patients [N, D], for a head that takes them.

    Returns:
        Maps [N, h, w], 0 or more.

    Raises:
        UserError: The last stage gives no map [N, K, h, w], or the head does not use it.
    """
    network: Any = model
    *stages, last = network.extract_feat(img)
    if not isinstance(last, Tensor) or last.dim() != 4:
        raise UserError(
            f"the last stage of {type(network.backbone).__name__} gives no map [N, K, h, w]: no "
            "heat maps"
        )

    def classify(maps: Tensor) -> Tensor:
        return network.class_scores((*stages, maps), patient)[-1]

    return grad_cam(last.float(), classify, classes)
