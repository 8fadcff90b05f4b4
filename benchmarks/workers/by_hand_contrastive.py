"""Plain contrastive methods: SimCLR, DCL, SupCon, and those with neighbours from a queue.

Sizes are those of the small configs. Each class takes the batch of ours, ``forward`` returns the
loss.
"""

import math

import torch
import torch.nn.functional as F
from by_hand import BYOL, D, Momentum, SimSiam, find, mlp, resnet18, unit
from by_hand_vit import Block
from torch import Tensor, nn

NO_BIAS = (False, False)


class Queue(nn.Module):
    """The newest vectors of unit length, as columns."""

    queue: Tensor

    def __init__(self, length: int, width: int = D) -> None:
        super().__init__()
        self.register_buffer("queue", F.normalize(torch.randn(width, length), dim=0))
        self.at = 0

    @torch.no_grad()
    def push(self, z: Tensor) -> None:
        """Replace the oldest columns by vectors [N, D]; N divides the length."""
        self.queue[:, self.at : self.at + len(z)] = unit(z).T
        self.at = (self.at + len(z)) % self.queue.shape[1]

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)
    def nearest(self, z: Tensor) -> Tensor:
        """Return the vector of the queue nearest to each of [N, D]."""
        return self.queue.T[(unit(z) @ self.queue).argmax(1)]

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)
    def several(self, z: Tensor, count: int) -> Tensor:
        """Return the nearest vectors of each of [N, D], [N, count, D]."""
        return self.queue.T[(unit(z) @ self.queue).topk(count, dim=1).indices]


class SimCLR(nn.Module):
    """NT-Xent of two views."""

    temperature = 0.2

    def __init__(self) -> None:
        super().__init__()
        self.net, self.neck = resnet18(), mlp(512, 512, D, norm=True, last=True, bias=NO_BIAS)

    def forward(self, img: list[Tensor], **labels: Tensor) -> Tensor:
        """Return the loss of two views."""
        z = unit(self.neck(self.net(torch.cat(img))))
        with torch.autocast("cpu", enabled=False):
            logits = z @ z.T / self.temperature  # [2N, 2N]
            logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
            return self.loss(logits, **labels)

    def loss(self, logits: Tensor) -> Tensor:
        """Return the loss of similarities [2N, 2N] over the temperature, without diagonal."""
        return F.cross_entropy(logits, torch.arange(len(logits)).roll(len(logits) // 2))


class DCL(SimCLR):
    """SimCLR without the positive in the denominator; with ``sigma`` hard positives weigh more."""

    def __init__(self, sigma: float | None = None) -> None:
        super().__init__()
        self.sigma = sigma

    def loss(self, logits: Tensor) -> Tensor:
        """Return the loss of similarities [2N, 2N] over the temperature, without diagonal."""
        rows = torch.arange(len(logits))
        partner = rows.roll(len(logits) // 2)
        positive = logits[rows, partner]
        others = logits.index_put((rows, partner), torch.tensor(-torch.inf))
        weight = torch.ones(())
        if self.sigma is not None:
            close = (positive.detach() * self.temperature / self.sigma).exp()
            weight = 2 - close / close.mean()
        return (others.logsumexp(1) - weight * positive).mean()


class SupCon(SimCLR):
    """Contrast whose positives are all views of the class."""

    def loss(self, logits: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the loss of similarities and labels [N]."""
        assert label is not None
        known = torch.where(label >= 0, label, -1 - torch.arange(len(label))).repeat(2)
        positive = (known[:, None] == known).fill_diagonal_(False)
        log_p = logits - logits.logsumexp(1, keepdim=True)
        return -(log_p.masked_fill(~positive, 0).sum(1) / positive.sum(1)).mean()


class NNCLR(nn.Module):
    """Contrast of a view's neighbour with the prediction of the other view."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.net = resnet18()
        self.neck = mlp(512, 512, 512, D, norm=True, last=True, bias=NO_BIAS)
        self.predictor = mlp(D, 512, D, norm=True, bias=(True, False))
        self.queue = Queue(length)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        z1, z2 = (self.neck(self.net(view)) for view in img)
        near1, near2 = self.queue.nearest(z1), self.queue.nearest(z2)
        self.queue.push(z1)
        pairs = ((near1, z2), (near2, z1))
        return sum(find(near, self.predictor(z), 0.2) for near, z in pairs) / 2  # type: ignore[return-value]


class NNBYOL(BYOL):
    """BYOL that predicts neighbours of the target's projections."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.queue = Queue(length)

    def targets(self, z: list[Tensor]) -> list[Tensor]:
        """Return the neighbours of both projections."""
        near = [self.queue.nearest(one) for one in z]
        self.queue.push(z[0])
        return near


class NNSiam(SimSiam):
    """SimSiam that predicts the neighbour of the other view."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.queue = Queue(length, 512)

    def targets(self, z: list[Tensor]) -> list[Tensor]:
        """Return the neighbours of both projections, the other one's first."""
        near = [self.queue.nearest(one) for one in z]
        self.queue.push(z[0])
        return near[::-1]


def places(length: int, width: int) -> Tensor:
    """Return sines and cosines of 0 to length - 1, [length, width]."""
    half = width // 2
    speed = torch.exp(-math.log(10000.0) * torch.arange(half) / half)
    angle = torch.arange(length)[:, None] * speed
    return torch.cat([angle.sin(), angle.cos()], 1)


class All4One(Momentum):
    """Contrast with the nearest neighbour, with a summary of five, and of features."""

    def __init__(self, length: int) -> None:
        neck = mlp(512, 512, 512, D, norm=True, last=True, bias=NO_BIAS)
        super().__init__(nn.Sequential(resnet18(), neck), 0.97)
        self.predictor = mlp(D, 512, D, norm=True, bias=(True, False))
        self.second = mlp(D, 512, D, norm=True, bias=(True, False))
        self.blocks = nn.Sequential(*(Block(D, 4, 2, 1e-5) for _ in range(3)))
        self.queue, self.norm = Queue(length), nn.BatchNorm1d(D, affine=False)

    def summary(self, sequence: Tensor) -> Tensor:
        """Return the first token after the blocks, [N, D], of sequences [N, K, D]."""
        return self.blocks(sequence + F.normalize(places(sequence.shape[1], D), dim=1))[:, 0]

    def order(self, near: Tensor, others: Tensor, z: Tensor, target: Tensor) -> Tensor:
        """Return the loss of one order of the views."""
        front = unit(self.second(z))[:, None]
        shifted = torch.cat([front, others[:, :-1]], 1)
        loss = find(near[:, 0], self.predictor(z), 0.2) / 2
        loss = loss + find(self.summary(near), self.summary(shifted), 0.2) / 2
        with torch.autocast("cpu", enabled=False):
            c = self.norm(z.float()).T @ self.norm(target.float()) / len(z)
            squares = c.square()
            off = squares.sum() - squares.diagonal().sum()
            return loss + 5 / D * ((c.diagonal() - 1).square().sum() + 0.0051 * off)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        z1, z2 = (self.online(view) for view in img)
        with torch.no_grad():
            self.follow()
            t1, t2 = (self.target(view) for view in img)
            near1, near2 = self.queue.several(t1, 5), self.queue.several(t2, 5)
            self.queue.push(t1)
        return (self.order(near1, near2, z2, t1) + self.order(near2, near1, z1, t2)) / 2
