"""Grad-CAM: where the evidence for a class lies.

Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (ICCV 2017), section 3.

The gradient is needed at the last map only, so it passes through the head (of a vision transformer
also through the last layer) and no further: frozen backbones work.

``fine_maps`` gives maps finer than the last stage: a network for 64 pixels ends with 2 x 2 places,
and the pixels of a place depend on the padding and the strides of the layers. So the map is
computed for copies of the image, shifted by parts of a place and mirrored; the maps are moved back
and averaged, which leaves what belongs to the image. The rim of a copy has the smallest weight, so
that no seams appear.

Letters: N images, C classes, K channels, h, w places of a map, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from mmselfsup.models.utils import spatial_map
from mmselfsup.utils.errors import ArgumentError, UserError

_SHIFTS = (-3, -1, 1, 3)  # eighths of a place


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

    The class token of a vision transformer does not depend on the places beside it, only on those
    of the layer before: there the map is taken, at the input of the last layer. So it is where the
    transformer gives vectors, the mean over the places.

    Args:
        model: A ``Classification`` in eval mode.
        img: Images [N, 3, H, W].
        classes: Class of each image whose evidence is shown, [N].
        patient: Data of the patients [N, D], for a head that takes them.

    Returns:
        Maps [N, h, w], 0 or more.

    Raises:
        UserError: The last stage gives no map [N, K, h, w] and no tokens, or the head does not use
            it.
    """
    network: Any = model
    *stages, last = network.extract_feat(img)
    if not isinstance(last, Tensor) or last.dim() in (2, 3):
        return _heat_of_tokens(network, img, classes, patient)
    if last.dim() != 4:
        raise _no_heat_maps(network)

    def classify(maps: Tensor) -> Tensor:
        return network.class_scores((*stages, maps), patient)[-1]

    return grad_cam(last.float(), classify, classes)


def fine_maps(heat: Callable[[Tensor], Tensor], img: Tensor) -> tuple[Tensor, list[int]]:
    """Return the mean map over 16 shifts and 4 mirrorings.

    Args:
        heat: Function that returns maps [N, h, w] of images.
        img: Images [N, 3, H, W].

    Returns:
        Maps [N, H, W], and [h, w].
    """
    places = list(heat(img).shape[1:])
    size = list(img.shape[2:])
    steps = [length / number for length, number in zip(size, places, strict=True)]
    # At most a side less one pixel: reflection can't pad by more.
    rim = [min(int(3 * step / 8), length - 1) for step, length in zip(steps, size, strict=True)]
    wide = pad(img, (rim[1], rim[1], rim[0], rim[0]), mode="reflect")
    total = torch.zeros_like(wide[:, 0])
    weights, tent = torch.zeros_like(wide[0, 0]), _tent(size).to(img)
    for top, left in _corners(rim):
        rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
        for mirrored in ([], [2], [3], [2, 3]):
            small = heat(wide[..., rows, columns].flip(mirrored))[:, None]
            large = interpolate(small, size=size, mode="bilinear").flip(mirrored)
            total[:, rows, columns] += tent * large[:, 0]
            weights[rows, columns] += tent
    inner = slice(rim[0], rim[0] + size[0]), slice(rim[1], rim[1] + size[1])
    return (total / weights)[:, inner[0], inner[1]], places


def _heat_of_tokens(network: Any, img: Tensor, classes: Tensor, patient: Tensor | None) -> Tensor:
    """Return the Grad-CAM at the input of the last layer that a vision transformer uses."""
    layer, seen = _last_layer(network.backbone), []
    if layer is None:
        raise _no_heat_maps(network)

    def record(tokens: Tensor) -> Tensor:
        seen.append(tokens)
        return tokens

    with _before(layer, record):
        last = network.extract_feat(img)[-1]
    try:
        tokens = seen[-1]  # [N, L, K]
        is_vector = isinstance(last, Tensor) and last.dim() == 2
        places = spatial_map(tokens if is_vector else last).shape[2:]  # [h, w]
    except (ArgumentError, IndexError):
        raise _no_heat_maps(network) from None
    num_places = places.numel()
    if tokens.dim() != 3 or tokens.shape[1] < num_places:
        raise _no_heat_maps(network)
    extra, patches = tokens[:, :-num_places], tokens[:, -num_places:]  # class token, places

    def classify(maps: Tensor) -> Tensor:
        changed = torch.cat((extra, maps.flatten(2).transpose(1, 2)), dim=1)  # [N, L, K]
        with _before(layer, lambda _: changed):
            return network.classify(img, patient)[-1]

    return grad_cam(patches.transpose(1, 2).unflatten(2, places), classify, classes)


def _last_layer(backbone: nn.Module) -> nn.Module | None:
    """Return the layer whose output is the last feature; None if there is no list of layers."""
    lists = [m for m in backbone.children() if isinstance(m, nn.ModuleList | nn.Sequential)]
    # mmcls's transformers compute all layers, also those after the last output.
    index = list(getattr(backbone, "out_indices", [-1]))[-1]
    return lists[-1][index] if lists and -1 <= index < len(lists[-1]) else None


@contextmanager
def _before(layer: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Replace the tokens [N, L, K] that enter a layer by a function of them."""
    hook = layer.register_forward_pre_hook(lambda _, args: (change(args[0]), *args[1:]))
    try:
        yield
    finally:
        hook.remove()


def _no_heat_maps(network: Any) -> UserError:
    return UserError(
        f"the last stage of {type(network.backbone).__name__} gives no map [N, K, h, w]: no heat "
        "maps"
    )


def _corners(rim: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the top left corner of each shifted copy in the padded image."""
    for shifts in product(_SHIFTS, repeat=2):
        top, left = (
            width + round(shift * width / 3) for shift, width in zip(shifts, rim, strict=True)
        )
        yield top, left


def _tent(size: list[int]) -> Tensor:
    """Return weights [H, W], 1 in the middle, above 0 at the rim, so that none divides by 0."""
    down, across = (1 - ((2 * torch.arange(n) + 1) / n - 1).abs() + 1 / n for n in size)
    return down[:, None] * across
