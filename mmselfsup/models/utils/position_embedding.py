"""Fixed position embeddings of vision transformers, and their change to another size."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError
from mmselfsup.utils.logger import get_root_logger


def rows_and_columns(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of a grid; a number stands for a square."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


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
    quarter = embed_dims // 4
    frequency = temperature ** -(torch.arange(quarter, dtype=torch.float32) / quarter)  # [C/4]
    row_angle = torch.arange(rows, dtype=torch.float32)[:, None] * frequency  # [rows, C/4]
    column_angle = torch.arange(columns, dtype=torch.float32)[:, None] * frequency
    by_row = torch.cat([row_angle.sin(), row_angle.cos()], dim=1)  # [rows, C/2]
    by_column = torch.cat([column_angle.sin(), column_angle.cos()], dim=1)  # [columns, C/2]
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
    get_root_logger().info(
        f"{name}: position embeddings of a grid of {side} x {side} patches are interpolated to "
        f"{grid[0]} x {grid[1]}"
    )
    state_dict[name] = resize_position_embedding(loaded, (side, side), grid, mode, num_extra_tokens)


def resize_loaded_relations(
    state_dict: dict[str, Tensor], prefix: str, grid: tuple[int, int]
) -> None:
    """Interpolate the biases of relative positions of a checkpoint for another grid, and log it.

    The biases [(2 * rows - 1) * (2 * columns - 1) + 3, A] are those of the offsets between two
    places, and three of the class token, which stay. The checkpoint's grid is taken to be a square.

    Args:
        state_dict: The checkpoint, changed in place; the index of another grid is taken out.
        prefix: What is before ``relative_position_bias_table`` in its names.
        grid: Rows and columns of the model.
    """
    name, index = f"{prefix}relative_position_bias_table", f"{prefix}relative_position_index"
    loaded = state_dict.get(name)
    target = (2 * grid[0] - 1, 2 * grid[1] - 1)
    if loaded is None or loaded.ndim != 2 or len(loaded) == target[0] * target[1] + 3:
        return
    side = int(max(len(loaded) - 3, 0) ** 0.5)
    if side**2 != len(loaded) - 3 or side % 2 == 0:
        return
    get_root_logger().info(
        f"{name}: biases of {side} x {side} offsets are interpolated to {target[0]} x {target[1]}"
    )
    token_first = loaded.roll(3, dims=0)[None]  # [1, 3 + offsets, A]
    resized = resize_position_embedding(token_first, (side, side), target, num_extra_tokens=3)
    state_dict[name] = resized[0].roll(-3, dims=0)
    # The model computes its own.
    state_dict.pop(index, None)
