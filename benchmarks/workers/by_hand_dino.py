"""Plain DINO, iBOT and DINOv2: ResNet-18, or ViT-Ti with patches of 8 pixels.

Sizes are those of the small configs. Each class takes the batch of ours, ``forward`` returns the
loss.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from by_hand import Momentum, resnet18, sinkhorn, unit
from by_hand_vit import Block
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

WIDTH, PATCH, SCORES = 192, 8, 1024


class TinyViT(nn.Module):
    """ViT-Ti; small images get interpolated positions."""

    pos: Tensor

    def __init__(
        self, size: int = 64, trained: bool = True, masked: bool = False, drop: float = 0.0
    ) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        pos = torch.randn(1, (size // PATCH) ** 2 + 1, WIDTH) / 50
        if trained:
            self.pos = nn.Parameter(pos)
        else:
            self.register_buffer("pos", pos)
        self.mask = nn.Parameter(torch.zeros(1, 1, WIDTH)) if masked else None
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        rates = torch.linspace(0, drop, 12).tolist()
        self.blocks = nn.Sequential(*(Block(WIDTH, 3, drop=rate) for rate in rates))
        self.norm, self.side = nn.LayerNorm(WIDTH, 1e-6), size // PATCH

    def positions(self, side: int) -> Tensor:
        """Return the positions of side x side patches, [1, L, C]."""
        own = self.pos[:, 1:]
        if side == self.side:
            return own
        grid = own.transpose(1, 2).unflatten(2, (self.side, self.side))
        grid = F.interpolate(grid, (side, side), mode="bicubic", align_corners=False)
        return grid.flatten(2).transpose(1, 2)

    def embed(self, img: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return tokens with positions [N, L, C]; those of the mask [N, L] are replaced."""
        x = self.patches(img).flatten(2).transpose(1, 2)
        if mask is not None:
            assert self.mask is not None
            x = torch.where(mask[..., None], self.mask.to(x.dtype), x)
        return x + self.positions(img.shape[-1] // PATCH)

    def encode(self, x: Tensor) -> Tensor:
        """Return tokens [N, 1 + L, C] of embedded patches [N, L, C]."""
        token = (self.token + self.pos[:, :1]).expand(len(x), -1, -1)
        return self.norm(self.blocks(torch.cat([token, x], 1)))

    def forward(self, img: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return tokens [N, 1 + L, C] of images."""
        return self.encode(self.embed(img, mask))


class Head(nn.Module):
    """Three layers and cosines with prototypes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, 512), nn.GELU(), nn.Linear(512, 512), nn.GELU(), nn.Linear(512, 256)
        )
        self.last = nn.Linear(256, SCORES, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores [N, K] of vectors [N, C]; a class token stands for its tokens."""
        h = unit(self.mlp(x[:, 0] if x.dim() == 3 else x))
        with torch.autocast("cpu", enabled=False):
            return F.linear(h, F.normalize(self.last.weight, dim=1))


class Centre(nn.Module):
    """Distributions of the teacher's scores, less their moving mean."""

    center: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(SCORES))

    @torch.no_grad()
    def forward(self, scores: Tensor) -> Tensor:
        """Return distributions [N, K] of scores [N, K]."""
        targets = ((scores - self.center) / 0.04).softmax(1)
        self.center = 0.9 * self.center + 0.1 * scores.mean(0)
        return targets


def teach(student: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of scores [V, N, K] against the distributions of the first views."""
    log_p = F.log_softmax(student / 0.1, dim=2)
    losses = [
        -(target * log_p[v]).sum(1).mean()
        for i, target in enumerate(targets)
        for v in range(len(student))
        if v != i
    ]
    return torch.stack(losses).mean()


def without_drop(net: nn.Module) -> None:
    """Switch off the stochastic depth of a teacher."""
    for module in net.modules():
        if isinstance(module, StochasticDepth):
            module.p = 0.0


class DINO(Momentum):
    """Small views predict what a momentum teacher finds in large ones."""

    def __init__(self, transformer: bool = False) -> None:
        net = TinyViT(trained=False, drop=0.1) if transformer else resnet18()
        super().__init__(nn.Sequential(net, Head(WIDTH if transformer else 512)), 0.99)
        without_drop(self.target)
        self.centre = Centre()

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two large and six small views."""
        large, small = torch.cat(img[:2]), torch.cat(img[2:])
        student = torch.cat([self.online(large), self.online(small)])
        with torch.no_grad():
            self.follow()
            targets = self.centre(self.target(large))
        return teach(student.unflatten(0, (len(img), -1)), targets.unflatten(0, (2, -1)))


class IBOT(Momentum):
    """DINO, and the same for masked patches."""

    def __init__(self, untied: bool = False) -> None:
        net = nn.ModuleDict(dict(net=TinyViT(masked=True, drop=0.1), head=Head(WIDTH)))
        if untied:
            net["patch"] = Head(WIDTH)
        super().__init__(net, 0.99)
        without_drop(self.target)
        self.centre, self.patch_centre = self.centres()
        self.patch = "patch" if untied else "head"

    def centres(self) -> Sequence[Any]:
        """Return what makes distributions of scores of images, and of patches."""
        return Centre(), Centre()

    def more(self, tokens: Tensor) -> Tensor | int:
        """Return a further loss of the student's tokens of large views [2N, 1 + L, C]."""
        return 0

    def forward(self, img: list[Any]) -> Tensor:
        """Return the loss of two large views with masks and six small views."""
        large, small = torch.cat([view[0] for view in img[:2]]), torch.cat(img[2:])
        mask = torch.cat([view[1] for view in img[:2]]).flatten(1).bool()  # [2N, L]
        seen, net = self.online["net"](large, mask), self.online
        student = torch.cat([net["head"](seen), net["head"](net["net"](small))])
        patches = net[self.patch](seen[:, 1:][mask])
        with torch.no_grad():
            self.follow()
            whole, target = self.target["net"](large), self.target
            targets = self.centre(target["head"](whole))
            words = self.patch_centre(target[self.patch](whole[:, 1:][mask]))
        loss = teach(student.unflatten(0, (len(img), -1)), targets.unflatten(0, (2, -1)))
        share = 1 / mask.sum(1, keepdim=True).clamp(min=1).expand(mask.shape)[mask]
        each = -(words * F.log_softmax(patches / 0.1, dim=1)).sum(1)
        return loss + (each * share).sum() / len(mask) + self.more(seen)


class DINOv2(IBOT):
    """iBOT with a head for patches, Sinkhorn-Knopp, and spread class tokens."""

    def __init__(self) -> None:
        super().__init__(untied=True)

    def centres(self) -> Sequence[Any]:
        """Return Sinkhorn-Knopp, twice."""
        return [lambda scores: sinkhorn(scores, 0.04)] * 2

    def more(self, tokens: Tensor) -> Tensor | int:
        """Return KoLeo of the class tokens of each large view."""
        losses = []
        for view in tokens[:, 0].chunk(2):
            z = unit(view)
            with torch.no_grad(), torch.autocast("cpu", enabled=False):
                nearest = (z @ z.T).fill_diagonal_(-2).argmax(1)
            losses.append(-((z - z[nearest]).norm(dim=1) + 1e-8).log().mean())
        return 0.1 * torch.stack(losses).mean()
