"""The shape of a random block of patches, as masks of several methods need it."""

import math

import torch


def draw_block_shape(areas: tuple[float, float], aspects: tuple[float, float]) -> tuple[int, int]:
    """Return rows and columns of a block, from torch's generator of the CPU.

    BEiT (Bao et al. 2022), algorithm 1: the area is uniform, the aspect ratio log-uniform; rows and
    columns are rounded, and may be 0 or larger than the image.

    Args:
        areas: Smallest and largest number of patches.
        aspects: Smallest and largest ratio of height to width, above 0.
    """
    area = areas[0] + (areas[1] - areas[0]) * torch.rand(()).item()
    low, high = math.log(aspects[0]), math.log(aspects[1])
    aspect = math.exp(low + (high - low) * torch.rand(()).item())
    return round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
