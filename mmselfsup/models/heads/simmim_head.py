"""The head of SimMIM: Xie et al. 2022, section 3.4."""

from mmcv.runner import BaseModule
from torch import Tensor

from ..builder import HEADS
from ..losses import masked_pixel_distance
from ..utils.masking import pixel_mask


@HEADS.register_module()
class SimMIMHead(BaseModule):
    """The absolute error of the pixels of masked patches.

    Args:
        patch_size: P, the pixels of one entry of the mask.
        encoder_in_channels: C, the channels of the images.
    """

    def __init__(self, patch_size: int, encoder_in_channels: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.encoder_in_channels = encoder_in_channels

    def pixels(self, mask: Tensor) -> Tensor:
        """Return a mask of patches [N, rows, columns] as one of pixels, [N, 1, H, W]."""
        rows, columns = mask.shape[1:]
        return pixel_mask(mask.flatten(1), self.patch_size, (rows, columns))

    def forward(self, x: Tensor, x_rec: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, see ``masked_pixel_distance``.

        Args:
            x: Images [N, C, H, W].
            x_rec: Predicted images [N, C, H, W].
            mask: 1 for masked patches, 0 for visible ones, [N, H / P, W / P].
        """
        return {"loss": masked_pixel_distance(x_rec, x, self.pixels(mask))}
