"""Random masks over the patches of an image, and images as sequences of patches.

Letters: N images, C channels, H, W size of an image, P side of a patch, L patches, K of them kept,
D width of a token.
"""

from math import isqrt
from typing import NamedTuple

import torch
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError


class Reconstruction(NamedTuple):
    """What a masked method makes of images; pixels are normalised as those of the input.

    Attributes:
        masked: The input, with masked pixels 0, [N, C, H, W].
        output: The images that the method predicts, [N, C, H, W].
        mask: 1 where the input was hidden and 0 elsewhere, [N, 1, H, W].
    """

    masked: Tensor
    output: Tensor
    mask: Tensor


def random_mask(
    num_images: int, num_patches: int, mask_ratio: float, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Hide a random part of each image's patches, equally many of each image.

    The order of L uniform random numbers decides; they come from torch's generator of the device,
    so that the seed, the rank and a resumed run determine them.

    Args:
        num_images: N.
        num_patches: L.
        mask_ratio: Part of the patches that is hidden, at least 0, less than 1. At least one patch
            is kept.
        device: Where to draw.

    Returns:
        The kept places [N, K] (int64) in random order; the mask [N, L] (float32), 1 for hidden
        patches; and the place in the random order of each patch (int64 [N, L]): kept ones are 0 to
        K - 1.
    """
    num_kept = max(1, int(num_patches * (1 - mask_ratio)))
    noise = torch.rand(num_images, num_patches, device=device)  # [N, L]
    order = noise.argsort(dim=1)  # [N, L]
    place = order.argsort(dim=1)  # [N, L], its inverse
    return order[:, :num_kept], (place >= num_kept).float(), place


def random_masking(tokens: Tensor, mask_ratio: float) -> tuple[Tensor, Tensor, Tensor]:
    """Keep a random part of each image's tokens (He et al. 2022, section 3); see ``random_mask``.

    Args:
        tokens: Tokens of all patches [N, L, D].
        mask_ratio: Part of the patches that is removed, at least 0, less than 1.

    Returns:
        The kept tokens [N, K, D] in random order, and mask and places as ``random_mask`` gives
        them.
    """
    num_images, num_patches = tokens.shape[:2]
    kept, mask, place = random_mask(num_images, num_patches, mask_ratio, tokens.device)
    return take_tokens(tokens, kept), mask, place


def take_tokens(tokens: Tensor, places: Tensor) -> Tensor:
    """Return the tokens [N, K, D] at ``places`` [N, K] (int64) of tokens [N, L, D]."""
    return tokens.gather(1, places[:, :, None].expand(-1, -1, tokens.shape[2]))


def replace_masked(tokens: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    """Return the tokens of all patches [N, L, D] with a trained one in the place of masked ones.

    Args:
        tokens: Tokens [N, L, D].
        mask: 1 (or true) for masked patches, [N, L] or [N, rows, columns].
        mask_token: The trained token, [1, 1, D].

    Raises:
        ArgumentError: The masks have another number of patches.
    """
    if mask[0].numel() != tokens.shape[1]:
        raise ArgumentError(
            f"masks of {mask[0].numel()} patches for images of {tokens.shape[1]}: give the mask "
            "generator the size of the image in patches"
        )
    hidden = mask.flatten(1).unsqueeze(2).to(tokens.dtype)  # [N, L, 1]
    return tokens * (1 - hidden) + mask_token.to(tokens.dtype) * hidden


def square_grid(num_patches: int) -> tuple[int, int]:
    """Return rows and columns of a square of patches.

    Raises:
        ArgumentError: ``num_patches`` is no square number.
    """
    side = isqrt(num_patches)
    if side**2 != num_patches:
        raise ArgumentError(f"num_patches must be a square number, got {num_patches}")
    return side, side


def patch_grid(images: Tensor, patch_size: int) -> tuple[int, int]:
    """Return rows and columns of the grid of patches of images [N, C, H, W].

    Raises:
        ArgumentError: H or W is no multiple of P.
    """
    height, width = images.shape[2:]
    if height % patch_size or width % patch_size:
        raise ArgumentError(
            f"images of {height} x {width} pixels don't consist of patches of {patch_size} x "
            f"{patch_size}: let the pipeline make sizes that are multiples of patch_size"
        )
    return height // patch_size, width // patch_size


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Return images as patches [N, L, P*P*C], row by row; in a patch the channel varies fastest.

    Args:
        images: Images [N, C, H, W].
        patch_size: P.

    Raises:
        ArgumentError: H or W is no multiple of P.
    """
    rows, columns = patch_grid(images, patch_size)
    cells = images.unflatten(3, (columns, patch_size)).unflatten(2, (rows, patch_size))
    # [N, C, rows, P, columns, P]
    return cells.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, patch_size: int, resolution: tuple[int, int]) -> Tensor:
    """Return the images [N, C, H, W] of patches [N, L, P*P*C]; the inverse of ``patchify``.

    Args:
        patches: Patches.
        patch_size: P.
        resolution: Rows and columns of the grid of patches, L in all.
    """
    cells = patches.unflatten(2, (patch_size, patch_size, -1)).unflatten(1, resolution)
    # [N, rows, columns, P, P, C]
    return cells.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def pixel_mask(mask: Tensor, patch_size: int, resolution: tuple[int, int]) -> Tensor:
    """Return a mask of patches [N, L] as a mask of pixels [N, 1, H, W]."""
    return unpatchify(mask[:, :, None].expand(-1, -1, patch_size**2), patch_size, resolution)
