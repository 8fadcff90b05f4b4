"""Plain MAE and MoCo v3 on ViT-S/16, a few lines each, with the sizes of the ISIC-2019 configs.

Attention is torch's fused kernel. Each class takes the batch of ours, ``forward`` returns the loss.
"""

import copy
import itertools

import torch
import torch.nn.functional as F
from by_hand import unit
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

C, HEADS, DEPTH, PATCH = 384, 6, 12, 16


class Block(nn.Module):
    """Attention and a perceptron, each after a normalisation; ``drop`` skips them by chance."""

    def __init__(
        self, width: int, heads: int, ratio: int = 4, eps: float = 1e-6, drop: float = 0.0
    ) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )
        self.drop: nn.Module = StochasticDepth(drop, "row") if drop else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens [N, L, C] for tokens [N, L, C]."""
        n, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v)
        x = x + self.drop(self.proj(out.transpose(1, 2).reshape(n, length, width)))
        return x + self.drop(self.mlp(self.norm2(x)))


class ViT(nn.Module):
    """ViT-S/16 with fixed positions."""

    pos: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, C, PATCH, PATCH)
        self.token = nn.Parameter(torch.zeros(1, 1, C))
        self.register_buffer("pos", torch.randn(1, (size // PATCH) ** 2 + 1, C) / 50)
        self.blocks = nn.Sequential(*(Block(C, HEADS) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(C, 1e-6)

    def forward(self, img: Tensor, kept: Tensor | None = None) -> Tensor:
        """Return tokens [N, 1 + L, C], of the places ``kept`` [N, K] only where they are given."""
        x = self.patches(img).flatten(2).transpose(1, 2) + self.pos[:, 1:]
        if kept is not None:
            x = x.gather(1, kept[..., None].expand(-1, -1, C))
        token = (self.token + self.pos[:, :1]).expand(len(x), -1, -1)
        return self.norm(self.blocks(torch.cat([token, x], dim=1)))


class MAE(nn.Module):
    """MAE with 75 % of the patches hidden; the decoder of the config has 4 blocks of 192."""

    pos: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        width = 192
        self.encoder = ViT(size)
        self.embed, self.mask = nn.Linear(C, width), nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("pos", torch.randn(1, (size // PATCH) ** 2 + 1, width) / 50)
        self.blocks = nn.Sequential(*(Block(width, 6) for _ in range(4)))
        self.norm, self.pred = nn.LayerNorm(width, 1e-6), nn.Linear(width, 3 * PATCH**2)

    def forward(self, img: Tensor) -> Tensor:
        """Return the mean squared error of the hidden patches, each normalised."""
        n, places = len(img), (img.shape[-1] // PATCH) ** 2
        order = torch.rand(n, places).argsort(dim=1)
        visible = places // 4
        x = self.embed(self.encoder(img, order[:, :visible]))
        hidden = self.mask.to(x.dtype).expand(n, places - visible, -1)
        restore = order.argsort(dim=1)[..., None].expand(-1, -1, x.shape[2])
        x = torch.cat([x[:, :1], torch.cat([x[:, 1:], hidden], dim=1).gather(1, restore)], dim=1)
        found = self.pred(self.norm(self.blocks(x + self.pos)))[:, 1:].float()
        side = img.shape[-1] // PATCH
        wanted = img.view(n, 3, side, PATCH, side, PATCH).permute(0, 2, 4, 3, 5, 1).flatten(3)
        wanted = wanted.flatten(1, 2)  # [N, L, 3*P*P]
        wanted = (wanted - wanted.mean(-1, keepdim=True)) / (
            wanted.var(-1, keepdim=True) + 1e-6
        ).sqrt()
        error = (found - wanted).square().mean(-1)  # [N, L]
        mask = torch.ones(n, places).scatter(1, order[:, :visible], 0.0)
        return (error * mask).sum() / mask.sum()


def projector(*widths: int) -> nn.Sequential:
    """Return linear layers, each with batch norm, all but the last with ReLU."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        last = i == len(widths) - 2
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after, affine=not last)]
        layers += [] if last else [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class MoCoV3(nn.Module):
    """MoCo v3 with a fixed patch embedding."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.net, self.neck = ViT(size), projector(C, 4096, 4096, 256)
        self.net.patches.requires_grad_(False)
        self.predictor = projector(256, 4096, 256)
        self.slow = copy.deepcopy(nn.ModuleList([self.net, self.neck])).requires_grad_(False)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of both orders of the views, and move the keys' network."""
        queries = [unit(self.predictor(self.neck(self.net(view)[:, 0]))) for view in img]
        with torch.no_grad():
            fast = [*self.net.parameters(), *self.neck.parameters()]
            for slow, own in zip(self.slow.parameters(), fast, strict=True):
                slow.lerp_(own, 0.01)
            keys = [unit(self.slow[1](self.slow[0](view)[:, 0])) for view in img]
        labels = torch.arange(len(img[0]))
        pairs = zip(queries, reversed(keys), strict=True)
        return sum(
            (0.4 * F.cross_entropy(query @ key.T / 0.2, labels) for query, key in pairs),
            torch.zeros(()),
        )
