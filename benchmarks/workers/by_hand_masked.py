"""Plain MaskFeat, SimMIM and CAE, with the sizes of the ISIC-2019 configs.

Swin-T is torchvision's. Each class takes the batch of ours, ``forward`` returns the loss.
"""

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from by_hand_vit import HEADS, PATCH, Block, C, ViT
from torch import Tensor, nn

WORDS = 8192  # of the tokenizer
BINS, CELL = 9, 8


def tokenizer() -> nn.Module:
    """Return DALL-E's encoder, eight times narrower: a frozen part, the same on both sides."""
    from mmselfsup.models.utils.dall_e import Encoder

    return Encoder(n_hid=32, vocab_size=WORDS)


def histograms(img: Tensor) -> Tensor:
    """Return histograms of gradients of each patch, [N, L, 3 * BINS * 4]."""
    sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    padded = F.pad(img, (1, 1, 1, 1), mode="reflect")
    gx = F.conv2d(padded, sobel.expand(3, 1, 3, 3), groups=3)
    gy = F.conv2d(padded, sobel.T.expand(3, 1, 3, 3), groups=3)
    offset = (torch.arange(PATCH) - (PATCH - 1) / 2) / (PATCH // 2)
    kernel = torch.exp(-0.5 * offset.square())
    kernel = torch.outer(kernel, kernel) / torch.outer(kernel, kernel).sum()
    votes = torch.hypot(gx, gy) * kernel.repeat(img.shape[2] // PATCH, img.shape[3] // PATCH)
    bins = (torch.atan2(gx, gy) / math.pi * BINS).floor().long() % BINS
    n, _, height, width = img.shape
    spread = torch.zeros(n, 3, BINS, height, width)
    spread.scatter_(2, bins[:, :, None], votes[:, :, None])
    cells = F.avg_pool2d(spread.flatten(1, 2), CELL, divisor_override=1)
    cells = F.normalize(cells.unflatten(1, (3, BINS)), dim=2).flatten(1, 2)
    return F.pixel_unshuffle(cells, PATCH // CELL).flatten(2).transpose(1, 2)


class MaskFeat(nn.Module):
    """Prediction of the histograms of masked patches."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.net = ViT(size)
        self.token = nn.Parameter(torch.zeros(1, 1, C))
        self.head = nn.Linear(C, 3 * BINS * (PATCH // CELL) ** 2)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the mean squared error of the masked patches of images and masks."""
        images, mask = img
        mask = mask.flatten(1).bool()  # [N, L]
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            wanted = histograms(images)
        x = self.net.patches(images).flatten(2).transpose(1, 2)
        x = torch.where(mask[..., None], self.token.to(x.dtype), x)
        x = torch.cat([self.net.token.expand(len(x), -1, -1), x], dim=1) + self.net.pos
        found = self.head(self.net.norm(self.net.blocks(x)))[:, 1:].float()
        error = (found - wanted).square().mean(-1)  # [N, L]
        return (error * mask).sum() / mask.sum()


class SimMIM(nn.Module):
    """Prediction of the pixels of masked patches by Swin-T."""

    def __init__(self) -> None:
        super().__init__()
        net: Any = torchvision.models.SwinTransformer(
            patch_size=[4, 4], embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24],
            window_size=[7, 7], stochastic_depth_prob=0.1,
        )  # fmt: skip
        self.patches, self.stages, self.norm = net.features[0], net.features[1:], net.norm
        self.token = nn.Parameter(torch.zeros(1, 1, 1, 96))
        self.decoder = nn.Sequential(nn.Conv2d(768, 32**2 * 3, 1), nn.PixelShuffle(32))

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the mean absolute error of the masked pixels of images and masks."""
        images, mask = img
        x = self.patches(images)  # [N, rows, columns, C]
        x = torch.where(mask[..., None].bool(), self.token.to(x.dtype), x)
        x = self.norm(self.stages(x)).permute(0, 3, 1, 2)
        found = self.decoder(x).float()
        hidden = mask.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
        return ((found - images).abs() * hidden).sum() / (hidden.sum() + 1e-5) / 3


class Scaled(Block):
    """A block with a trained factor of each channel of a branch; queries may be other tokens."""

    def __init__(self, cross: bool = False) -> None:
        super().__init__(C, HEADS)
        self.gamma1 = nn.Parameter(torch.full((C,), 0.1))
        self.gamma2 = nn.Parameter(torch.full((C,), 0.1))
        if cross:
            self.norm_k, self.norm_v = nn.LayerNorm(C, 1e-6), nn.LayerNorm(C, 1e-6)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return tokens [N, Q, C] of queries that ask other tokens."""
        parts = zip((query, key, value), self.qkv.weight.chunk(3), strict=True)
        heads = [F.linear(x, w).unflatten(2, (HEADS, -1)).transpose(1, 2) for x, w in parts]
        out = F.scaled_dot_product_attention(*heads)
        return self.proj(out.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens [N, L, C] for tokens [N, L, C]."""
        n, length, _ = x.shape
        qkv = self.qkv(self.norm1(x)).view(n, length, 3, HEADS, C // HEADS)
        out = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
        x = x + self.gamma1 * self.proj(out.transpose(1, 2).reshape(n, length, C))
        return x + self.gamma2 * self.mlp(self.norm2(x))

    def regress(self, x: Tensor, everything: Tensor, at: Tensor, where: Tensor) -> Tensor:
        """Return tokens of masked patches, which ask those of all patches."""
        keys, values = self.norm_k(everything + where), self.norm_v(everything)
        x = x + self.gamma1 * self.attend(self.norm1(x + at), keys, values)
        x = self.norm2(x)
        return x + self.gamma2 * self.mlp(x)


class CAE(nn.Module):
    """Words and representations of masked patches from the visible ones."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.net = ViT(size)
        self.net.blocks = nn.Sequential(*(Scaled() for _ in range(12)))
        self.regressors = nn.ModuleList(Scaled(cross=True) for _ in range(4))
        self.decoder = nn.Sequential(*(Scaled() for _ in range(4)))
        self.norm_r, self.norm_d = nn.LayerNorm(C, 1e-6), nn.LayerNorm(C, 1e-6)
        self.token = nn.Parameter(torch.zeros(1, 1, C))
        self.head = nn.Linear(C, WORDS)
        self.tokenizer = tokenizer()
        self.teacher = copy.deepcopy(self.net).requires_grad_(False)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of images, images of half the size for the tokenizer, and masks."""
        images, small, mask = img
        order = mask.flatten(1).argsort(dim=1, stable=True)  # visible patches first
        visible = int(mask.shape[1] * mask.shape[2] - mask[0].sum())
        seen, hidden = order[:, :visible], order[:, visible:]
        x = self.net(images, seen)[:, 1:]
        with torch.no_grad():
            wanted = self.teacher(images, hidden)[:, 1:]
            torch._foreach_copy_(list(self.teacher.parameters()), list(self.net.parameters()))
            words = self.tokenizer(0.8 * small + 0.1).argmax(1).flatten(1).gather(1, hidden)
        at_seen, at_hidden = self.net.pos[0, 1:][seen], self.net.pos[0, 1:][hidden]
        where = torch.cat([at_seen, at_hidden], dim=1)
        y = self.token.expand(at_hidden.shape)
        for block in self.regressors:
            y = block.regress(y, torch.cat([x, y], dim=1), at_hidden, where)
        latent = self.norm_r(y)
        scores = self.head(self.norm_d(self.decoder(latent + at_hidden))).float()
        align = F.mse_loss(latent.float(), wanted.float())
        return F.cross_entropy(scores.flatten(0, 1), words.flatten()) + 2 * align
