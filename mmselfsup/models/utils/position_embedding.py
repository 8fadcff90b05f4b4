"""Fixed position embeddings of vision transformers, and their change to another size."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError
from mmselfsup.utils.logger import get_root_logger


def rows_and_columns(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of a grid; a number stands for a square."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def build_1d_sincos_position_embedding(
    length: int,
    embed_dims: int,
    temperature: float = 10000.0,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the fixed sine and cosine embedding of places of a sequence.

    Vaswani et al. 2017, section 3.5; all sines come before the cosines.

    Args:
        length: L.
        embed_dims: C, even.
        temperature: Base of the frequencies, larger than 0.
        device: Where it is made; the CPU by default.

    Returns:
        The embedding [L, C] (float32); the sum of squares of a row is C / 2.

    Raises:
        ArgumentError: ``embed_dims`` is odd.
    """
    if embed_dims % 2:
        raise ArgumentError(f"sines and cosines of places need an even width, got {embed_dims}")
    half = embed_dims // 2
    channel = torch.arange(half, dtype=torch.float32, device=device)
    frequency = temperature ** -(channel / half)  # [C/2]
    angle = torch.arange(length, dtype=torch.float32, device=device)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def build_2d_sincos_position_embedding(
    patches_resolution: int | tuple[int, int],
    embed_dims: int,
    temperature: float = 10000.0,
    cls_token: bool = False,
) -> Tensor:
    """Return the fixed sine and cosine embedding of places of a grid.

    Chen et al. 2021 (MoCo v3), section 5, and He et al. 2022 (MAE), appendix A.1, use it in place
    of a trained one. A quarter of the channels each holds the sines and cosines of the row, then
    of the column. 0.x swaps rows and columns of grids that are not square; here they are right.

    Args:
        patches_resolution: Rows and columns of the grid; a number stands for a square.
        embed_dims: C, a multiple of 4.
        temperature: Base of the frequencies, larger than 0.
        cls_token: Whether zeros for a class token come first.

    Returns:
        The embedding [1, L, C] (float32), L = rows * columns + ``cls_token``, places row by row.

    Raises:
        ArgumentError: ``embed_dims`` is no multiple of 4.
    """
    if embed_dims % 4:
        raise ArgumentError(f"embed_dims must be a multiple of 4 for sines of rows and columns of "
                            f"a grid, got {embed_dims}")  # fmt: skip
    rows, columns = rows_and_columns(patches_resolution)
    by_row = build_1d_sincos_position_embedding(rows, embed_dims // 2, temperature)
    by_column = build_1d_sincos_position_embedding(columns, embed_dims // 2, temperature)
    embedding = torch.cat(
        [
            by_row[:, None].expand(-1, columns, -1),
            by_column[None].expand(rows, -1, -1),
        ],
        dim=2,
    ).flatten(0, 1)  # [rows*columns, C]
    if cls_token:
        embedding = torch.cat([embedding.new_zeros(1, embed_dims), embedding])
    return embedding[None]


def resize_position_embedding(
    embedding: Tensor,
    source: tuple[int, int],
    target: tuple[int, int],
    mode: str = "bicubic",
    num_extra_tokens: int = 1,
) -> Tensor:
    """Return a position embedding for a grid of another size.

    Args:
        embedding: Embedding [1, E + rows * columns, C] of the grid ``source``.
        source: Rows and columns that it is for.
        target: Rows and columns wanted.
        mode: Interpolation, a mode of ``torch.nn.functional.interpolate``.
        num_extra_tokens: E, the number of tokens in front that have no place.

    Returns:
        The embedding [1, E + rows * columns, C] of the grid ``target``; the same tensor if the
        grids are equal.

    Raises:
        ArgumentError: The number of tokens is not that of ``source``.
    """
    expected = num_extra_tokens + source[0] * source[1]
    if embedding.shape[1] != expected:
        raise ArgumentError(
            f"the position embedding has {embedding.shape[1]} tokens, but a grid of {source[0]} x "
            f"{source[1]} with {num_extra_tokens} further tokens has {expected}"
        )
    if tuple(source) == tuple(target):
        return embedding
    extra, places = embedding[:, :num_extra_tokens], embedding[:, num_extra_tokens:]
    grid = places.transpose(1, 2).unflatten(2, source)  # [1, C, rows, columns]
    # CPUs have no bicubic interpolation in half precision.
    resized = F.interpolate(grid.float(), size=tuple(target), mode=mode, align_corners=False)
    return torch.cat([extra, resized.to(grid.dtype).flatten(2).transpose(1, 2)], dim=1)


def places_of(model: nn.Module) -> dict[str, int]:
    """Return the number of places of each position embedding ``pos_embed`` of a model.

    What an embedding has beyond them is of tokens without a place, such as a class token.

    Args:
        model: A model whose transformers know their grid, as ours, mmcls's and timm's do.
    """
    found = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        own: Any = module._parameters.get("pos_embed")
        patches = getattr(module, "patch_embed", None)
        grid: Any = getattr(module, "patch_resolution", None) or getattr(patches, "grid_size", None)
        if own is not None and own.ndim == 3 and grid is not None:
            found[f"{prefix}.pos_embed" if prefix else "pos_embed"] = grid[0] * grid[1]
    return found


def resize_loaded_positions(
    state_dict: dict[str, Tensor],
    name: str,
    own: Tensor,
    grid: tuple[int, int],
    mode: str = "bicubic",
    num_extra_tokens: int = 1,
) -> None:
    """Interpolate the position embedding of a checkpoint for another image size, and log it.

    The grid of the checkpoint is taken to be a square. Numbers of tokens that are none are left
    to ``load_state_dict``, which reports the sizes.

    Args:
        state_dict: The checkpoint, changed in place.
        name: Name of the embedding in it; nothing happens if it isn't there.
        own: The embedding of the model [1, E + rows * columns, C].
        grid: Rows and columns of the model.
        mode: See ``resize_position_embedding``.
        num_extra_tokens: E, see ``resize_position_embedding``.
    """
    loaded = state_dict.get(name)
    if loaded is None or loaded.shape == own.shape:
        return
    num_places = loaded.shape[1] - num_extra_tokens if loaded.ndim == 3 else -1
    side = int(max(num_places, 0) ** 0.5)
    if side**2 != num_places or loaded.shape[2] != own.shape[2]:
        return
    log_resized_positions(name, side, grid)
    state_dict[name] = resize_position_embedding(loaded, (side, side), grid, mode, num_extra_tokens)


def log_resized_positions(name: str, side: int, grid: tuple[int, int]) -> None:
    """Log that the position embeddings of a square grid are interpolated to another grid."""
    get_root_logger().info(
        f"{name}: position embeddings of a grid of {side} x {side} patches are interpolated to "
        f"{grid[0]} x {grid[1]}"
    )


def resize_relative_biases(
    table: Tensor, source: tuple[int, int], target: tuple[int, int], num_extra_rows: int = 0
) -> Tensor:
    """Return the biases of relative positions for a grid of another size.

    Args:
        table: Biases [rows * columns + E, A] of A attention heads, one for each offset between two
            places of a grid: ``rows`` is twice the grid's less one, as ``columns``.
        source: Rows and columns of ``table``.
        target: Rows and columns wanted.
        num_extra_rows: E, the number of biases at the end that belong to no offset, as those of a
            class token.

    Returns:
        The biases [rows * columns + E, A] of ``target``, by bicubic interpolation.

    Raises:
        ArgumentError: The number of biases is not that of ``source``.
    """
    extra_first = table.roll(num_extra_rows, dims=0)[None]  # [1, E + rows*columns, A]
    resized = resize_position_embedding(
        extra_first, source, target, num_extra_tokens=num_extra_rows
    )
    return resized[0].roll(-num_extra_rows, dims=0)


def resize_loaded_biases(state_dict: dict[str, Tensor], name: str, own: Tensor) -> None:
    """Interpolate the biases of relative positions of a checkpoint for another grid, and log it.

    Grids are taken to be squares. Other numbers of biases are left to ``load_state_dict``.

    Args:
        state_dict: The checkpoint, changed in place.
        name: Name of the biases in it; nothing happens if they aren't there.
        own: The biases of the model, [L, A] of A attention heads.
    """
    loaded = state_dict.get(name)
    if loaded is None or loaded.shape == own.shape or loaded.shape[1:] != own.shape[1:]:
        return
    for extra in (0, 3):  # Swin, and BEiT with three biases of the class token
        sides = [int(max(len(table) - extra, 0) ** 0.5) for table in (loaded, own)]
        if [side**2 + extra for side in sides] == [len(loaded), len(own)]:
            grids = [(side, side) for side in sides]
            state_dict[name] = resize_relative_biases(loaded, grids[0], grids[1], extra)
            get_root_logger().info(
                f"{name}: biases of {sides[0]} x {sides[0]} offsets are interpolated to "
                f"{sides[1]} x {sides[1]}"
            )
            return
