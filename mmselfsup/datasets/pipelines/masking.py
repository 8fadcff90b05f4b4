"""Random masks of patches for masked image modelling: blocks (BEiT, MaskFeat), patches (SimMIM)."""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from mmselfsup.utils.blocks import draw_block_shape
from mmselfsup.utils.errors import ArgumentError

from ..registry import PIPELINES
from .compose import check_probability

_TRIES = 10  # positions to try for a block before the mask is accepted as it is


class MaskGenerator(ABC):
    """A transform that adds a mask to the image and doesn't look at it.

    At the end of a pipeline it works with ``device_transforms`` too: the worker draws the mask, and
    it moves to the device with the image.
    """

    @abstractmethod
    def draw(self) -> Tensor:
        """Return a mask, from torch's generator."""

    def __call__(self, img: Any) -> tuple[Any, ...]:
        """Return the image and its mask."""
        return img, self.draw()


class _BlockMask(MaskGenerator):
    """Blocks of random size and shape until a number of patches is masked.

    Source: BEiT (Bao et al. 2022), algorithm 1.

    Differences from the paper: a block is drawn again where it would mask more patches than are
    left to mask, so the mask has at most ``num_masking_patches``; it has fewer where no block fits
    in ten tries, as in the authors' code.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        num_masking_patches: int,
        num_patches: tuple[int, int | None],
        aspect: tuple[float, float | None],
    ) -> None:
        self.height, self.width = shape
        if not 0 <= num_masking_patches <= self.height * self.width:
            raise ArgumentError(
                f"{num_masking_patches} patches can't be masked in {self.height} x {self.width}"
            )
        self.num_masking_patches = num_masking_patches
        self.min_num_patches = num_patches[0]
        self.max_num_patches = num_masking_patches if num_patches[1] is None else num_patches[1]
        max_aspect = 1 / aspect[0] if aspect[1] is None else aspect[1]
        self.aspect_ratio = (aspect[0], max_aspect)

    def draw(self) -> Tensor:
        """Return a random mask [height, width], int64, 1 where a patch is masked."""
        return self.blocks(self.num_masking_patches)

    def blocks(self, most: int) -> Tensor:
        """Return a mask [height, width] of blocks with at most ``most`` masked patches."""
        mask = torch.zeros(self.height, self.width, dtype=torch.int64)
        remaining = most
        while remaining > 0:
            newly_masked = self._add_block(mask, min(remaining, self.max_num_patches))
            if newly_masked == 0:
                break
            remaining -= newly_masked
        return mask

    def _add_block(self, mask: Tensor, most: int) -> int:
        """Mask one block with at most ``most`` new patches; return how many are new."""
        smallest, largest = self.min_num_patches, max(self.min_num_patches, most)
        for _ in range(_TRIES):
            rows, columns = draw_block_shape((smallest, largest), self.aspect_ratio)
            if not (0 < rows <= self.height and 0 < columns <= self.width):
                continue
            top = int(torch.randint(self.height - rows + 1, ()))
            left = int(torch.randint(self.width - columns + 1, ()))
            block = mask[top : top + rows, left : left + columns]
            newly_masked = rows * columns - int(block.sum())  # blocks may overlap
            if 0 < newly_masked <= most:
                block.fill_(1)
                return newly_masked
        return 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.height} x {self.width}, {self.num_masking_patches})"


@PIPELINES.register_module()
class BEiTMaskGenerator(_BlockMask):
    """A transform that adds a mask of blocks to the image or images.

    Where no further block fits, single patches are masked until the number is reached: CAE (Chen et
    al. 2022), which uses it, needs equally many in all images.

    Args:
        input_size: Patches on a side, or (rows, columns).
        num_masking_patches: Number of patches to mask, exactly.
        min_num_patches: Smallest block.
        max_num_patches: Largest block, by default all that are to be masked.
        min_aspect: Smallest ratio of height to width of a block.
        max_aspect: Largest ratio, by default ``1 / min_aspect``.
    """

    def __init__(
        self,
        input_size: int | tuple[int, int],
        num_masking_patches: int,
        min_num_patches: int = 4,
        max_num_patches: int | None = None,
        min_aspect: float = 0.3,
        max_aspect: float | None = None,
    ) -> None:
        rows, columns = (input_size, input_size) if isinstance(input_size, int) else input_size
        blocks, aspects = (min_num_patches, max_num_patches), (min_aspect, max_aspect)
        super().__init__((rows, columns), num_masking_patches, blocks, aspects)

    def draw(self) -> Tensor:
        """Return a random mask [height, width], int64, 1 where a patch is masked."""
        return self.exactly(self.num_masking_patches)

    def exactly(self, count: int) -> Tensor:
        """Return a mask [height, width] with ``count`` masked patches."""
        mask = self.blocks(count)
        visible = (mask.flatten() == 0).nonzero().flatten()
        missing = count - (mask.numel() - len(visible))
        mask.view(-1)[visible[torch.randperm(len(visible))[:missing]]] = 1
        return mask

    def __call__(self, img: Any) -> tuple[Any, ...]:
        """Return the image, or each of several images, and then the mask [rows, columns]."""
        imgs = tuple(img) if isinstance(img, (list, tuple)) else (img,)
        return (*imgs, self.draw())


@PIPELINES.register_module()
class IBOTMaskGenerator(BEiTMaskGenerator):
    """A transform that adds a mask of blocks to some of the images, of a random number of patches.

    Source: iBOT (Zhou et al. 2022), section 4.1; DINOv2 (Oquab et al. 2023) has the same ratios.

    Args:
        input_size: Patches on a side, or (rows, columns).
        mask_ratio: Smallest and largest fraction of the patches that are masked, drawn uniformly
            for each image.
        mask_prob: Probability that an image is masked; the mask of another one is empty.
        min_num_patches: Smallest block.
        min_aspect: Smallest ratio of height to width of a block; the largest is its inverse.

    Raises:
        ArgumentError: A fraction is out of range.
    """

    def __init__(
        self,
        input_size: int | tuple[int, int],
        mask_ratio: tuple[float, float] = (0.1, 0.5),
        mask_prob: float = 0.5,
        min_num_patches: int = 4,
        min_aspect: float = 0.3,
    ) -> None:
        check_probability(mask_prob, "mask_prob")
        for ratio in mask_ratio:
            check_probability(ratio, "mask_ratio")
        if len(mask_ratio) != 2 or mask_ratio[0] > mask_ratio[1]:
            raise ArgumentError(f"mask_ratio must be (smallest, largest), got {mask_ratio}")
        # The largest number that a mask may have.
        super().__init__(input_size, 0, min_num_patches, min_aspect=min_aspect)
        self.num_masking_patches = int(mask_ratio[1] * self.height * self.width)
        self.max_num_patches = self.num_masking_patches
        self.mask_ratio, self.mask_prob = tuple(mask_ratio), mask_prob

    def draw(self) -> Tensor:
        """Return a random mask [height, width], int64, 1 where a patch is masked."""
        low, high = self.mask_ratio
        is_masked = torch.rand(()).item() < self.mask_prob
        ratio = low + (high - low) * torch.rand(()).item()
        return self.exactly(int(ratio * self.height * self.width) if is_masked else 0)


@PIPELINES.register_module()
class MaskFeatMaskGenerator(_BlockMask):
    """A transform that adds a mask of blocks to the image, given as a ratio of all patches.

    Source: MaskFeat (Wei et al. 2022), section 4.1: 40 % of the patches.

    Args:
        mask_window_size: Patches on a side.
        mask_ratio: Fraction of the patches to mask.
        min_num_patches: Smallest block.
        max_num_patches: Largest block, by default all that are to be masked.
        min_aspect: Smallest ratio of height to width of a block.
        max_aspect: Largest ratio, by default ``1 / min_aspect``.
    """

    def __init__(
        self,
        mask_window_size: int = 14,
        mask_ratio: float = 0.4,
        min_num_patches: int = 15,
        max_num_patches: int | None = None,
        min_aspect: float = 0.3,
        max_aspect: float | None = None,
    ) -> None:
        check_probability(mask_ratio, "mask_ratio")
        shape = (mask_window_size, mask_window_size)
        blocks, aspects = (min_num_patches, max_num_patches), (min_aspect, max_aspect)
        super().__init__(shape, int(mask_window_size**2 * mask_ratio), blocks, aspects)


@PIPELINES.register_module()
class SimMIMMaskGenerator(MaskGenerator):
    """A transform that adds a random mask to the image.

    Source: SimMIM (Xie et al. 2022), section 3.2: a fraction of the patches of ``mask_patch_size``
    pixels, drawn without replacement.

    Args:
        input_size: Side of the image.
        mask_patch_size: Side of a masked patch.
        model_patch_size: Side of a patch of the model; the mask has this resolution.
        mask_ratio: Fraction of the patches that is masked; their number is rounded up.
    """

    def __init__(
        self,
        input_size: int = 192,
        mask_patch_size: int = 32,
        model_patch_size: int = 4,
        mask_ratio: float = 0.6,
    ) -> None:
        check_probability(mask_ratio, "mask_ratio")
        if input_size % mask_patch_size or mask_patch_size % model_patch_size:
            raise ArgumentError(
                f"input_size {input_size} must be a multiple of mask_patch_size {mask_patch_size}, "
                f"and that one of model_patch_size {model_patch_size}"
            )
        self.input_size = input_size
        self.mask_patch_size = mask_patch_size
        self.model_patch_size = model_patch_size
        self.mask_ratio = mask_ratio
        self.rand_size = input_size // mask_patch_size  # patches on a side
        self.scale = mask_patch_size // model_patch_size
        self.token_count = self.rand_size**2
        self.mask_count = math.ceil(self.token_count * mask_ratio)

    def draw(self) -> Tensor:
        """Return a mask [S, S], int64, S = input_size / model_patch_size, 1 where it is masked."""
        mask = torch.zeros(self.token_count, dtype=torch.int64)
        mask[torch.randperm(self.token_count)[: self.mask_count]] = 1
        mask = mask.view(self.rand_size, self.rand_size)
        return mask.repeat_interleave(self.scale, 0).repeat_interleave(self.scale, 1)  # [S, S]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(input_size={self.input_size}, "
            f"mask_patch_size={self.mask_patch_size}, model_patch_size={self.model_patch_size}, "
            f"mask_ratio={self.mask_ratio})"
        )
