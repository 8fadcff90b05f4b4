"""Plain MSN, PMSN, I-JEPA and SparK: networks that don't see the whole image.

Sizes are those of the small configs. Each class takes the batch of ours, ``forward`` returns the
loss.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from by_hand import Momentum, mlp, resnet18, sinkhorn, unit
from by_hand_dino import WIDTH, TinyViT
from by_hand_vit import Block
from torch import Tensor, nn


class MSN(Momentum):
    """Views with missing patches predict the prototypes of a whole view."""

    prior: Tensor

    def __init__(self, power: float = 0.0, balanced: bool = True) -> None:
        neck = mlp(WIDTH, 512, 512, 128, norm=True, bias=(False, False))
        super().__init__(nn.ModuleList([TinyViT(), neck]), 0.99)
        self.prototypes, self.balanced = nn.Linear(128, 256, bias=False), balanced
        prior = torch.arange(1, 257) ** -power
        self.register_buffer("prior", prior / prior.sum())

    def masked(self, img: Tensor) -> Tensor:
        """Return projections [N, D] of images without 15 % of their patches."""
        net, neck = self.online
        x = net.embed(img)
        kept = torch.rand(x.shape[:2]).argsort(1)[:, : int(0.85 * x.shape[1])]
        return neck(net.encode(x.gather(1, kept[..., None].expand(-1, -1, WIDTH)))[:, 0])

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two large and six small views; the first one is whole."""
        anchors = torch.cat([self.masked(img[1]), self.masked(torch.cat(img[2:]))])
        with torch.no_grad():
            self.follow()
            target = self.target[1](self.target[0](img[0])[:, 0])
        with torch.autocast("cpu", enabled=False):
            prototypes = F.normalize(self.prototypes.weight, dim=1)
            log_p = F.log_softmax(unit(anchors) @ prototypes.T / 0.1, dim=1)
            with torch.no_grad():
                q = (unit(target) @ prototypes.T / 0.025).softmax(1)
                q = sinkhorn(q.log(), 1.0) if self.balanced else q
            prediction = -(q.repeat(len(img) - 1, 1) * log_p).sum(1).mean()
            mean = log_p.exp().mean(0)
            return prediction + (mean * (mean.log() - self.prior.log())).sum()


def draw(number: int, side: int) -> tuple[Tensor, Tensor]:
    """Return the places of the context [N, K] and of four blocks [N, 4, M] of side x side."""

    def places(count: int, areas: tuple[float, float], ratios: tuple[float, float]) -> Tensor:
        area = side**2 * (areas[0] + (areas[1] - areas[0]) * float(torch.rand(())))
        low, high = (math.log(ratio) for ratio in ratios)
        ratio = math.exp(low + (high - low) * float(torch.rand(())))
        rows, columns = (
            min(max(round(math.sqrt(size)), 1), side) for size in (area * ratio, area / ratio)
        )
        top = torch.randint(side - rows + 1, (number, count, 1, 1))
        left = torch.randint(side - columns + 1, (number, count, 1, 1))
        y, x = top + torch.arange(rows)[:, None], left + torch.arange(columns)
        return (y * side + x).flatten(2)

    targets = places(4, (0.15, 0.2), (0.75, 1.5))
    context = places(1, (0.85, 1.0), (1.0, 1.0))[:, 0]
    visible = torch.zeros(number, side**2, dtype=torch.bool).scatter(1, context, True)
    visible = visible.scatter(1, targets.flatten(1), False)
    fewest = int(visible.sum(1).min())
    if fewest < 6:
        return draw(number, side)
    order = torch.rand(visible.shape).masked_fill(~visible, 2.0).argsort(1)
    return order[:, :fewest].sort(1).values, targets


class Predictor(nn.Module):
    """A narrow transformer that predicts the features of blocks from those of the context."""

    pos: Tensor

    def __init__(self, patches: int = 64, width: int = 96) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("pos", torch.randn(1, patches, width) / 50)
        self.embed = nn.Linear(WIDTH, width)
        self.blocks = nn.Sequential(*(Block(width, 3) for _ in range(3)))
        self.norm, self.project = nn.LayerNorm(width, 1e-6), nn.Linear(width, WIDTH)

    def forward(self, x: Tensor, context: Tensor, targets: Tensor) -> Tensor:
        """Return features [N, B, M, C] of blocks [N, B, M] from tokens [N, K, C] of the context."""
        n, blocks, places = targets.shape
        seen = self.embed(x) + self.pos[0][context]
        asked = (self.token[0] + self.pos[0][targets]).flatten(0, 1).to(seen.dtype)
        x = torch.cat([seen.repeat_interleave(blocks, 0), asked], 1)
        return self.project(self.norm(self.blocks(x)[:, -places:])).unflatten(0, (n, blocks))


class IJEPA(Momentum):
    """Features of hidden blocks from those of visible patches."""

    def __init__(self) -> None:
        super().__init__(TinyViT(trained=False), 0.99)  # its class token is not used
        self.predictor, self.draw = Predictor(), draw

    @staticmethod
    def encode(net: Any, x: Tensor) -> Tensor:
        """Return tokens [N, L, C] of embedded patches."""
        return net.norm(net.blocks(x))

    def forward(self, img: Tensor) -> Tensor:
        """Return the loss of images."""
        context, targets = self.draw(len(img), self.online.side)  # type: ignore[arg-type]
        seen = self.online.embed(img).gather(1, context[..., None].expand(-1, -1, WIDTH))  # type: ignore[operator]
        found = self.predictor(self.encode(self.online, seen), context, targets).float()
        with torch.no_grad():
            self.follow()
            whole = self.encode(self.target, self.target.embed(img)).float()  # type: ignore[operator]
            rows = torch.arange(len(img))[:, None, None]
            wanted = F.layer_norm(whole, (WIDTH,))[rows, targets]
        return F.smooth_l1_loss(found, wanted)


def at(mask: Tensor, x: Tensor) -> Tensor:
    """Return the mask [N, 1, h, w] in the size of maps [N, C, H, W]."""
    times = x.shape[-1] // mask.shape[-1]
    return mask.repeat_interleave(times, 2).repeat_interleave(times, 3)


def norm_seen(norm: nn.BatchNorm2d, x: Tensor, mask: Tensor) -> Tensor:
    """Return maps normalised by the statistics of their visible places; the others become 0."""
    seen = at(mask, x)[:, 0].bool()
    rows = x.permute(0, 2, 3, 1)
    out = torch.zeros_like(rows)
    out[seen] = F.batch_norm(
        rows[seen], norm.running_mean, norm.running_var, norm.weight, norm.bias, True, 0.1, 1e-5
    )
    return out.permute(0, 3, 1, 2)


class SparK(nn.Module):
    """Pixels of hidden patches by a ResNet whose hidden places stay 0 between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = resnet18()
        self.net.layer4[0].conv1.stride = self.net.layer4[0].downsample[0].stride = (1, 1)
        widths = (512, 128, 64)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.tokens = nn.ParameterList(torch.zeros(1, width, 1, 1) for width in widths)
        self.ways = nn.ModuleList(
            nn.Conv2d(width, 256 >> i, 3 if i else 1, padding=1 if i else 0)
            for i, width in enumerate(widths)
        )
        self.ups = nn.ModuleList(self.up(256 >> i) for i in range(4))
        self.pixels = nn.Conv2d(16, 3, 1)

    @staticmethod
    def up(width: int) -> nn.Sequential:
        """Return layers to half as many channels on twice the size."""
        return nn.Sequential(
            nn.ConvTranspose2d(width, width, 4, 2, 1),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU6(),
            nn.Conv2d(width, width // 2, 3, padding=1, bias=False), nn.BatchNorm2d(width // 2),
        )  # fmt: skip

    @staticmethod
    def conv(layer: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
        """Return the output of a layer with its hidden places at 0."""
        y = layer(x)
        return y * at(mask, y).to(y.dtype)

    def block(self, block: Any, x: Tensor, mask: Tensor) -> Tensor:
        """Return the output of a residual block at visible places."""
        short = x
        if block.downsample is not None:
            short = norm_seen(block.downsample[1], self.conv(block.downsample[0], x, mask), mask)
        y = F.relu(norm_seen(block.bn1, self.conv(block.conv1, x, mask), mask), inplace=True)
        y = norm_seen(block.bn2, self.conv(block.conv2, y, mask), mask)
        return F.relu(y + short, inplace=True)

    def forward(self, img: Tensor) -> Tensor:
        """Return the mean squared error of the hidden patches of images, each normalised."""
        n, side = len(img), img.shape[-1] // 16
        kept = max(1, int(side**2 * 0.4))
        place = torch.rand(n, side**2).argsort(1).argsort(1)
        mask = (place < kept).float().view(n, 1, side, side)  # 1 for visible patches
        x = self.conv(self.net.conv1, img * at(mask, img), mask)
        x = F.relu(norm_seen(self.net.bn1, x, mask), inplace=True)
        x, maps = self.conv(self.net.maxpool, x, mask), []
        for layer in (self.net.layer1, self.net.layer2, self.net.layer3, self.net.layer4):
            for block in layer:
                x = self.block(block, x, mask)
            maps.append(x)
        dense = [
            torch.where(at(mask, x).bool(), norm_seen(norm, x, mask), token.to(x.dtype))
            for x, norm, token in zip(
                (maps[3], maps[1], maps[0]), self.norms, self.tokens, strict=True
            )
        ]
        y = self.ways[0](dense[0])
        for i, up in enumerate(self.ups):
            y = up(y + self.ways[i](dense[i]) if 0 < i < 3 else y)
        found, wanted = (
            F.unfold(x, 16, stride=16).transpose(1, 2) for x in (self.pixels(y).float(), img)
        )
        mean, var = wanted.mean(2, keepdim=True), wanted.var(2, keepdim=True)
        error = (found - (wanted - mean) / (var + 1e-6).sqrt()).square().mean(2)  # [N, L]
        hidden = 1 - mask.flatten(1)
        return (error * hidden).sum() / hidden.sum()
