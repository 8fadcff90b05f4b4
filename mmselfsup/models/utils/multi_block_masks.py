"""Multi-block masks: Assran et al. 2023, "Self-Supervised Learning from Images with a
Joint-Embedding Predictive Architecture" (I-JEPA), CVPR, section 3.

Letters: N images, L patches, B target blocks of an image, M patches of a block, K context patches.
"""

import torch
from torch import Tensor

from mmselfsup.utils.blocks import draw_block_shape
from mmselfsup.utils.errors import ArgumentError

_TRIES = 20  # draws of an image's blocks before the grid is called too small


class MultiBlockMasks:
    """Target blocks of each image, and a context block without their patches.

    All blocks of a batch have one shape, as in the authors' code, so that their tokens form a
    tensor; their places are those of each image. Everything is drawn by torch's generator of the
    CPU, so that a device never waits for the number of patches.

    Args:
        num_targets: B.
        target_scale: Smallest and largest area of a target block, as fractions of the image.
        target_aspect: Smallest and largest ratio of height to width of a target block.
        context_scale: Smallest and largest area of the context block, which is square.
        min_context: Patches that an image's context has at least; blocks are drawn again otherwise.

    Raises:
        ArgumentError: An argument is out of range.
    """

    def __init__(
        self,
        num_targets: int = 4,
        target_scale: tuple[float, float] = (0.15, 0.2),
        target_aspect: tuple[float, float] = (0.75, 1.5),
        context_scale: tuple[float, float] = (0.85, 1.0),
        min_context: int = 10,
    ) -> None:
        if num_targets < 1 or min_context < 1:
            raise ArgumentError(
                f"num_targets and min_context count from 1, got {num_targets} and {min_context}"
            )
        for name, (low, high), most in (
            ("target_scale", target_scale, 1.0),
            ("context_scale", context_scale, 1.0),
            ("target_aspect", target_aspect, float("inf")),
        ):
            if not 0 < low <= high <= most:
                raise ArgumentError(
                    f"{name} must be (smallest, largest) above 0"
                    f"{' and at most 1' if most == 1 else ''}, got {(low, high)}"
                )
        self.num_targets, self.min_context = num_targets, min_context
        self.target_scale = target_scale[0], target_scale[1]
        self.target_aspect = target_aspect[0], target_aspect[1]
        self.context_scale = context_scale[0], context_scale[1]

    def draw(self, num_images: int, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return places of patches, 0 to L - 1, row by row of the grid (int64, on the CPU).

        The contexts of a batch are cut to the smallest one by leaving out random patches; the
        authors' code leaves out the last ones.

        Args:
            num_images: N.
            grid: Rows and columns of the grid of patches.

        Returns:
            Those of the contexts [N, K], ascending, and of the targets [N, B, M]. No patch is in
            an image's context and in one of its targets; targets may overlap.

        Raises:
            ArgumentError: The grid is too small for ``min_context`` patches beside the targets.
        """
        with torch.device("cpu"):  # whatever the default is
            return self._draw(num_images, grid)

    def _draw(self, num_images: int, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return what ``draw`` does, on the default device."""
        shapes = (
            _within(draw_block_shape(_areas(self.target_scale, grid), self.target_aspect), grid),
            _within(draw_block_shape(_areas(self.context_scale, grid), (1.0, 1.0)), grid),
        )
        targets, visible = self._blocks(num_images, grid, *shapes)
        for _ in range(_TRIES):
            short = (visible.sum(dim=1) < self.min_context).nonzero().flatten()
            if not len(short):
                break
            targets[short], visible[short] = self._blocks(len(short), grid, *shapes)
        counts = visible.sum(dim=1)  # [N]
        if counts.min() < self.min_context:
            raise ArgumentError(
                f"{self.num_targets} target blocks leave fewer than min_context="
                f"{self.min_context} of the {grid[0]} x {grid[1]} patches: lower min_context, "
                "num_targets or target_scale, or use smaller patches"
            )
        order = torch.rand(visible.shape).masked_fill(~visible, 2.0).argsort(dim=1)  # [N, L]
        return order[:, : int(counts.min())].sort(dim=1).values, targets

    def _blocks(
        self,
        num_images: int,
        grid: tuple[int, int],
        target: tuple[int, int],
        context: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Return the targets [N, B, M], and which patches are visible [N, L] (bool)."""
        targets = _place(num_images, self.num_targets, grid, target)  # [N, B, M]
        own = _place(num_images, 1, grid, context).flatten(1)
        visible = torch.zeros(num_images, grid[0] * grid[1], dtype=torch.bool).scatter(1, own, True)
        return targets, visible.scatter(1, targets.flatten(1), False)


def _areas(scale: tuple[float, float], grid: tuple[int, int]) -> tuple[float, float]:
    """Return the smallest and largest number of patches of a block."""
    return scale[0] * grid[0] * grid[1], scale[1] * grid[0] * grid[1]


def _within(shape: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """Return a shape with at least one row and column, and no more than the grid has."""
    return min(max(shape[0], 1), grid[0]), min(max(shape[1], 1), grid[1])


def _place(
    num_images: int, num_blocks: int, grid: tuple[int, int], shape: tuple[int, int]
) -> Tensor:
    """Return the places [N, blocks, rows * columns] of blocks anywhere in the grid."""
    top = torch.randint(grid[0] - shape[0] + 1, (num_images, num_blocks, 1, 1))
    left = torch.randint(grid[1] - shape[1] + 1, (num_images, num_blocks, 1, 1))
    rows, columns = torch.arange(shape[0])[:, None], torch.arange(shape[1])
    return ((top + rows) * grid[1] + left + columns).flatten(2)
