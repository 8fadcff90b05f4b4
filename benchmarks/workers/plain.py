"""A plain implementation of SimCLR: torchvision's ResNet, autocast, channels_last."""

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn


class PlainSimCLR(nn.Module):
    """Backbone, projector and NT-Xent loss in a few lines."""

    def __init__(self, depth: int, temperature: float = 0.1) -> None:
        super().__init__()
        net = getattr(torchvision.models, f"resnet{depth}")()
        width = net.fc.in_features
        net.fc = nn.Identity()
        self.net, self.temperature = net, temperature
        self.projector = nn.Sequential(
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 128),
            nn.BatchNorm1d(128),
        )  # fmt: skip

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of two views [N, 3, H, W]."""
        z = F.normalize(self.projector(self.net(torch.cat([first, second]))).float(), dim=1)
        with torch.autocast(z.device.type, enabled=False):
            similarity = z @ z.T / self.temperature
            similarity.fill_diagonal_(-torch.inf)
            rows = len(z)
            return F.cross_entropy(similarity, torch.arange(rows, device=z.device).roll(rows // 2))
