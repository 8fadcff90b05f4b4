"""Sobel edges as a fixed layer. Letters: N batch, H, W size of an image."""

import torch
from mmcv.runner import BaseModule
from torch import Tensor, nn


class Sobel(BaseModule):
    """Horizontal and vertical Sobel gradients of the mean over the colours; nothing is trained.

    DeepCluster (Caron et al. 2018, section 3.3) uses these edges as the input of its network,
    because raw colours lead to a trivial clustering.
    """

    def __init__(self) -> None:
        super().__init__()
        to_gray = nn.Conv2d(3, 1, kernel_size=1)
        to_edges = nn.Conv2d(1, 2, kernel_size=3, padding=1)
        horizontal = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        with torch.no_grad():
            to_gray.weight.fill_(1 / 3)
            to_edges.weight.copy_(torch.stack([horizontal, horizontal.T])[:, None])  # [2, 1, 3, 3]
            for layer in (to_gray, to_edges):
                layer.bias.zero_()  # type: ignore[union-attr]
        self.sobel = nn.Sequential(to_gray, to_edges)
        self.sobel.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gradients [N, 2, H, W] of images [N, 3, H, W]."""
        return self.sobel(x)
