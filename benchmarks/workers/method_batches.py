"""Random batches of each method, as its loader would give them, and the sizes of its memories."""

from typing import Any

import torch
from torch import Tensor

LENGTH, NEGATIVES, CLUSTERS = 8013, 4096, 200
QUEUE = 4096
GROUPS = 60  # clusters of DeepCluster v2
INTERCLR_CLUSTERS, INTERCLR_NEGATIVES, INTERCLR_POOL = 80, 256, 2048
CLASSES = 8
#: Methods with two large and six small views of half the size.
MULTI_CROP = (
    "swav", "lejepa", "visreg", "deepclusterv2", "dino", "dino_vit", "ibot", "dinov2", "msn",
    "pmsn",
)  # fmt: skip


def batch(name: str, images: int, size: int) -> dict[str, Any]:
    """Return a batch of a method."""
    if name == "rotation_pred":
        turns = torch.arange(4).repeat(images // 2, 1)
        return dict(img=torch.randn(images // 2, 4, 3, size, size), rot_label=turns)
    if name == "relative_loc":
        places = torch.arange(8).repeat(images // 8, 1)
        return dict(img=torch.randn(images // 8, 8, 6, size, size), patch_label=places)
    if name == "deepcluster":
        labels = torch.randint(CLUSTERS, (2 * images,))
        return dict(img=torch.randn(2 * images, 3, size, size), pseudo_label=labels)
    if name == "npid":
        idx = torch.randperm(LENGTH)[: 2 * images]
        return dict(img=torch.randn(2 * images, 3, size, size), idx=idx)
    if name in ("mae", "ijepa", "spark"):
        return dict(img=torch.randn(images, 3, size, size))
    if name in ("maskfeat", "simmim", "cae"):
        return dict(img=masked_images(name, images, size))
    return views(name, images, size)


def views(name: str, images: int, size: int) -> dict[str, Any]:
    """Return a batch of a method that takes views."""
    number = {"fastsiam": 4, "distillation": 1}.get(name, 2)
    img: list[Any] = [torch.randn(images, 3, size, size) for _ in range(number)]
    if name in ("ibot", "dinov2"):
        img = [[view, random_masks(images, size // 8)] for view in img]
    if name == "vicregl":
        img = [[view, crops(images)] for view in img]
    if name in MULTI_CROP:
        img += [torch.randn(images, 3, size // 2, size // 2) for _ in range(6)]
    if name in ("interclr", "deepclusterv2"):
        return dict(img=img, idx=torch.randperm(LENGTH)[:images])
    if name == "supcon":
        return dict(img=img, label=torch.randint(CLASSES, (images,)))
    return dict(img=img)


def masked_images(name: str, images: int, size: int) -> list[Tensor]:
    """Return images with masks, and for CAE images of half the size between them."""
    img = torch.rand(images, 3, size, size)
    share, patch = {"maskfeat": (0.4, 16), "simmim": (0.6, 32), "cae": (75 / 196, 16)}[name]
    places = (size // patch) ** 2
    order = torch.rand(images, places).argsort(dim=1)
    mask = (order < round(share * places)).float().unflatten(1, (size // patch, -1))
    if name == "simmim":  # patches of the network have 4 pixels
        mask = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)
    if name == "cae":
        return [img, torch.rand(images, 3, size // 2, size // 2), mask]
    return [img, mask]


def random_masks(images: int, side: int) -> Tensor:
    """Return masks [N, side, side] of 10 to 50 % of the patches of every second image."""
    share = torch.empty(images, 1).uniform_(0.1, 0.5)
    share[1::2] = 0
    return (torch.rand(images, side**2) < share).unflatten(1, (side, side))


def crops(images: int) -> Tensor:
    """Return maps [N, 2, 3] from views to random crops of an image of 300 x 300 pixels."""
    width = torch.empty(images, 2).uniform_(100, 300)
    corner = torch.rand(images, 2) * (300 - width)
    return torch.cat([torch.diag_embed(width), corner[..., None]], dim=2)
