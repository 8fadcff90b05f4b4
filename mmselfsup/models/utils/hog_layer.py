"""Histograms of oriented gradients: Dalal & Triggs 2005, as MaskFeat predicts them.

Letters: N images, C channels, H, W size of an image, B bins, L patches.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from .masking import patch_grid
from .precision import full_precision


class HOGLayerC(nn.Module):
    """Histograms of gradient directions in cells of each colour channel.

    Wei et al. 2022 (MaskFeat), section 3.2 and appendix: unsigned directions of Sobel gradients
    vote with their magnitude, weighted by a Gaussian in windows; the histogram of each cell is
    normalised to unit length. There are no overlapping blocks.

    Args:
        nbins: B, the number of directions in half a turn.
        pool: Side of a cell in pixels.
        gaussian_window: Side of a window of Gaussian weights in pixels, a multiple of ``pool``; the
            histograms of the cells of one window, which is the size of a patch, stay together. 0
            means equal weights and patches of one cell.

    Raises:
        ArgumentError: The window is no multiple of a cell.
    """

    weight_x: Tensor
    weight_y: Tensor
    gkern: Tensor

    def __init__(self, nbins: int = 9, pool: int = 8, gaussian_window: int = 16) -> None:
        super().__init__()
        if gaussian_window % pool:
            raise ArgumentError(
                f"gaussian_window must be a multiple of pool, got {gaussian_window} and {pool}"
            )
        self.nbins = nbins
        self.pool = pool
        self.gaussian_window = gaussian_window
        sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        # Buffers, with a row for each colour channel: 0.x's checkpoints hold them.
        self.register_buffer("weight_x", sobel.repeat(3, 1, 1, 1))  # [3, 1, 3, 3]
        self.register_buffer("weight_y", sobel.T.repeat(3, 1, 1, 1))  # [3, 1, 3, 3]
        if gaussian_window:
            self.register_buffer("gkern", _gaussian(gaussian_window))  # [window, window]

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the histograms of each patch.

        Args:
            x: Images [N, 3, H, W]; H and W are multiples of the patch.

        Returns:
            [N, L, 3 * B * cells of a patch], float32, at least 0, patches row by row. The numbers
            of a patch are ordered by channel, bin, row and column of the cell.

        Raises:
            ArgumentError: The images do not consist of whole patches.
        """
        side = self.gaussian_window or self.pool
        patch_grid(x, side)  # raises where parts of patches are left
        histograms = self._cells(x)  # [N, 3*B, rows, columns]
        cells = side // self.pool
        patches = F.pixel_unshuffle(histograms, cells)  # [N, 3*B*cells*cells, rows', columns']
        return patches.flatten(2).transpose(1, 2)

    @full_precision
    def _cells(self, x: Tensor) -> Tensor:
        """Return the histograms of cells [N, 3*B, rows, columns]."""
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        gx = F.conv2d(padded, self.weight_x.to(x.dtype), groups=3)  # [N, 3, H, W]
        gy = F.conv2d(padded, self.weight_y.to(x.dtype), groups=3)  # [N, 3, H, W]
        votes = torch.hypot(gx, gy)  # [N, 3, H, W]
        if self.gaussian_window:
            windows = [size // self.gaussian_window for size in x.shape[2:]]
            votes = votes * self.gkern.to(x.dtype).repeat(windows)
        # Half a turn has B bins, and a direction and its opposite are the same: modulo B.
        directions = (torch.atan2(gx, gy) / math.pi * self.nbins).floor() % self.nbins
        # One bin after the other: all bins of all pixels at once would need B times the memory.
        bins = [
            F.avg_pool2d(votes * (directions == b), self.pool, divisor_override=1)
            for b in range(self.nbins)
        ]
        histograms = torch.stack(bins, dim=2)  # [N, 3, B, rows, columns]
        return F.normalize(histograms, dim=2).flatten(1, 2)


def _gaussian(side: int) -> Tensor:
    """Return a Gaussian [side, side] of half the window's width that sums up to 1."""
    offset = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) / (side // 2)
    weights = torch.exp(-0.5 * offset.square())  # [side]
    kernel = torch.outer(weights, weights)
    return kernel / kernel.sum()
