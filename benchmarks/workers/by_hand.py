"""Plain implementations of the methods: torchvision's ResNet-18 and a few lines each.

Sizes are those of the small configs. Each class takes the batch of ours, ``forward`` returns the
loss.
"""

import copy
import itertools
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

D = 128  # width of projections


def resnet18() -> Any:
    """Return a backbone with pooled features [N, 512]."""
    net = torchvision.models.resnet18(zero_init_residual=True)
    net.fc = nn.Identity()
    return net


def mlp(
    *widths: int, norm: bool = False, last: bool = False, bias: tuple[bool, bool] = (True, True)
) -> nn.Sequential:
    """Return linear layers with ReLU between them, batch norm after the hidden ones, or all.

    ``bias`` says whether the hidden ones and the last one have biases.
    """
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        end = i == len(widths) - 2
        layers.append(nn.Linear(before, after, bias=bias[end]))
        if norm and (last or not end):
            layers.append(nn.BatchNorm1d(after))
        if not end:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def unit(x: Tensor) -> Tensor:
    """Return rows in float32 and of length 1."""
    return F.normalize(x.float(), dim=1)


def away(p: Tensor, z: Tensor) -> Tensor:
    """Return the negative cosine of predictions and targets, [N, D] each."""
    return -(unit(p) * unit(z.detach())).sum(1).mean()


@torch.autocast("cpu", enabled=False)
def find(query: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Return the cross entropy of finding the key of each query in the batch, [N, D] each."""
    logits = unit(query) @ unit(keys).T / temperature
    return F.cross_entropy(logits, torch.arange(len(query)))


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float) -> Tensor:
    """Return codes [N, K] of scores [N, K] that use all prototypes equally."""
    q = torch.exp(scores / epsilon).T
    q /= q.sum()
    for _ in range(3):
        q /= q.sum(1, keepdim=True) * len(q)
        q /= q.sum(0, keepdim=True) * q.shape[1]
    return (q * q.shape[1]).T


class Classes(nn.Module):
    """Rotation prediction and DeepCluster: cross entropy of labels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.net, self.fc = resnet18(), nn.Linear(512, classes)

    def forward(self, img: Tensor, **labels: Tensor) -> Tensor:
        """Return the loss of images [N, C, H, W] or [N, P, C, H, W]."""
        img = img.flatten(0, 1) if img.dim() == 5 else img
        scores = self.fc(self.net(img)).float()
        target = labels.get("rot_label", labels.get("pseudo_label"))
        assert target is not None
        return F.cross_entropy(scores, target.flatten())


class RelativeLocation(nn.Module):
    """Relative location: which of eight neighbours is the other patch."""

    def __init__(self) -> None:
        super().__init__()
        self.net = resnet18()
        self.neck = nn.Sequential(
            nn.Linear(1024, 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Dropout()
        )
        self.fc = nn.Linear(512, 8)

    def forward(self, img: Tensor, patch_label: Tensor) -> Tensor:
        """Return the loss of pairs of patches, channels side by side, [N, 8, 6, H, W]."""
        first, second = img.flatten(0, 1).chunk(2, 1)
        pair = torch.cat([self.net(first), self.net(second)], 1)
        return F.cross_entropy(self.fc(self.neck(pair)).float(), patch_label.flatten())


class NPID(nn.Module):
    """Instance discrimination with a memory of all images."""

    def __init__(self, length: int, negatives: int) -> None:
        super().__init__()
        self.net, self.neck = resnet18(), mlp(512, 512, D, norm=True, last=True)
        self.negatives = negatives
        self.register_buffer("bank", F.normalize(torch.randn(length, D), dim=1))

    def forward(self, img: Tensor, idx: Tensor) -> Tensor:
        """Return the loss of images and their rows in the memory."""
        v = unit(self.neck(self.net(img)))
        with torch.autocast("cpu", enabled=False), torch.no_grad():
            drawn = torch.randint(len(self.bank), (len(idx), self.negatives))
            positive, negative = self.bank[idx], self.bank[drawn]
        with torch.autocast("cpu", enabled=False):
            logits = torch.cat(
                [(v * positive).sum(1, keepdim=True), torch.einsum("nd,nkd->nk", v, negative)], 1
            )
            loss = F.cross_entropy(logits / 0.5, torch.zeros(len(idx), dtype=torch.long))
        self.bank[idx] = v.detach()
        return loss


class Momentum(nn.Module):
    """An online network and its momentum target."""

    def __init__(self, net: nn.Module, keep: float) -> None:
        super().__init__()
        self.online, self.target, self.keep = net, copy.deepcopy(net), keep
        for weight in self.target.parameters():
            weight.requires_grad_(False)

    @torch.no_grad()
    def follow(self) -> None:
        """Update the target."""
        old, new = list(self.target.parameters()), list(self.online.parameters())
        torch._foreach_lerp_(old, new, 1 - self.keep)


class MoCo(Momentum):
    """MoCo v2 in one process."""

    def __init__(self, length: int) -> None:
        super().__init__(nn.Sequential(resnet18(), mlp(512, 512, D)), 0.99)
        self.register_buffer("queue", F.normalize(torch.randn(D, length), dim=0))
        self.at = 0

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of a query and a key view."""
        q = unit(self.online(img[0]))
        self.follow()
        with torch.no_grad():
            k = unit(self.target(img[1]))
        with torch.autocast("cpu", enabled=False):
            logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone()], 1) / 0.2
            loss = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))
        self.queue[:, self.at : self.at + len(k)] = k.T
        self.at = (self.at + len(k)) % self.queue.shape[1]
        return loss


class DenseCL(Momentum):
    """DenseCL: MoCo v2 on images and on places of their maps."""

    def __init__(self, length: int) -> None:
        net = nn.ModuleDict(
            dict(
                maps=nn.Sequential(*list(resnet18().children())[:-2]),
                whole=mlp(512, 512, D),
                places=nn.Sequential(
                    nn.Conv2d(512, 512, 1), nn.ReLU(inplace=True), nn.Conv2d(512, D, 1)
                ),
            )
        )
        super().__init__(net, 0.99)
        for name in ("queue", "queue2"):
            self.register_buffer(name, F.normalize(torch.randn(D, length), dim=0))
        self.at = 0

    @staticmethod
    def encode(net: Any, img: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return maps [N, C, L], projections [N, D], [N, D, L], [N, D]."""
        maps = net["maps"](img)
        places = net["places"](maps)
        whole = net["whole"](maps.mean((2, 3)))
        return maps.flatten(2), unit(whole), unit(places.flatten(2)), unit(places.mean((2, 3)))

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of a query and a key view."""
        maps_q, q, dense_q, _ = self.encode(self.online, img[0])
        self.follow()
        with torch.no_grad():
            maps_k, k, dense_k, mean_k = self.encode(self.target, img[1])
            alike = unit(maps_q).transpose(1, 2) @ unit(maps_k)  # [N, L, L]
            best = alike.argmax(2)[:, None].expand(-1, D, -1)
            matched = dense_k.gather(2, best)
        with torch.autocast("cpu", enabled=False):
            rows = [x.transpose(1, 2).flatten(0, 1) for x in (dense_q, matched)]
            losses = []
            for one, other, queue in ((q, k, self.queue), (*rows, self.queue2)):
                logits = torch.cat([(one * other).sum(1, keepdim=True), one @ queue.clone()], 1)
                target = torch.zeros(len(one), dtype=torch.long)
                losses.append(F.cross_entropy(logits / 0.2, target))
        for queue, new in ((self.queue, k), (self.queue2, mean_k)):
            queue[:, self.at : self.at + len(k)] = new.T
        self.at = (self.at + len(k)) % self.queue.shape[1]
        return sum(losses) / 2  # type: ignore[return-value]


class BYOL(Momentum):
    """Prediction of a momentum target."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(resnet18(), mlp(512, 1024, D, norm=True, bias=(True, False))), 0.97
        )
        self.predictor = mlp(D, 1024, D, norm=True, bias=(True, False))

    def targets(self, z: list[Tensor]) -> list[Tensor]:
        """Return what the views are to predict, from the target's projections of both."""
        return z

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        predictions = [self.predictor(self.online(view)) for view in img]
        with torch.no_grad():
            self.follow()
            targets = self.targets([self.target(view) for view in img])
        pairs = zip(predictions, targets[::-1], strict=True)
        return sum(2 * away(p, z) for p, z in pairs)  # type: ignore[return-value]


class SimSiam(nn.Module):
    """Prediction of the other view."""

    def __init__(self) -> None:
        super().__init__()
        projector = mlp(512, 512, 512, 512, norm=True, last=True, bias=(False, False))
        projector[-1] = nn.BatchNorm1d(512, affine=False)
        self.encoder = nn.Sequential(resnet18(), projector)
        self.predictor = mlp(512, 128, 512, norm=True, bias=(False, True))

    def targets(self, z: list[Tensor]) -> list[Tensor]:
        """Return what the views are to predict, from the projections of all."""
        return z[::-1]

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of all views."""
        z = [self.encoder(view) for view in img]
        pairs = zip(z, self.targets(z), strict=True)
        return sum(away(self.predictor(own), other) for own, other in pairs) / len(z)  # type: ignore[return-value]


class FastSiam(SimSiam):
    """SimSiam of four views: each predicts the mean of the others."""

    def targets(self, z: list[Tensor]) -> list[Tensor]:
        """Return the mean projection of the other views for each view."""
        total = torch.stack(z).sum(0)
        return [(total - own) / (len(z) - 1) for own in z]


class SwAV(nn.Module):
    """Swapped prediction of codes, two large and six small views."""

    def __init__(self, prototypes: int) -> None:
        super().__init__()
        self.net, self.neck = resnet18(), mlp(512, 512, D, norm=True)
        self.prototypes = nn.Linear(D, prototypes, bias=False)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of eight views."""
        features = torch.cat([self.net(torch.cat(img[:2])), self.net(torch.cat(img[2:]))])
        z = unit(self.neck(features))
        with torch.no_grad():
            self.prototypes.weight.copy_(F.normalize(self.prototypes.weight, dim=1))
        with torch.autocast("cpu", enabled=False):
            scores = self.prototypes(z).unflatten(0, (len(img), -1))  # [V, N, K]
            losses = []
            for i in range(2):
                code = sinkhorn(scores[i], 0.02)
                others = [v for v in range(len(img)) if v != i]
                log_p = F.log_softmax(scores[others] / 0.1, dim=2)
                losses.append(-(code * log_p).sum(2).mean())
        return sum(losses) / 2  # type: ignore[return-value]


class BarlowTwins(nn.Module):
    """Cross-correlation of two views that must be the identity."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.neck = resnet18(), mlp(512, 512, 512, 512, norm=True, bias=(False, False))
        self.norm = nn.BatchNorm1d(512, affine=False)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        first, second = (self.neck(self.net(view)) for view in img)
        with torch.autocast("cpu", enabled=False):
            c = self.norm(first.float()).T @ self.norm(second.float()) / len(first)
            on = (torch.diagonal(c) - 1).square().sum()
            off = c.square().sum() - torch.diagonal(c).square().sum()
            return on + 0.0051 * off


class InterCLR(MoCo):
    """MoCo v2, and a contrast with images of the same cluster and of others in a memory."""

    def __init__(self, length: int, images: int, clusters: int, negatives: int, pool: int) -> None:
        super().__init__(length)
        self.register_buffer("bank", F.normalize(torch.randn(images, D), dim=1))
        self.register_buffer("labels", torch.arange(images) % clusters)
        self.register_buffer("centroids", F.normalize(torch.randn(clusters, D), dim=1))
        self.negatives, self.pool = negatives, pool

    def inter(self, q: Tensor, idx: Tensor) -> Tensor:
        """Return the loss of queries [N, D] against the memory."""
        alike = q @ self.bank.clone().T  # [N, L]
        with torch.no_grad():
            same = self.labels[idx][:, None] == self.labels
            positive = torch.multinomial(same.float(), 1)
            far = alike.masked_fill(same, -2.0)
            hard = far.topk(self.pool, dim=1).indices
            drawn = torch.rand(hard.shape).topk(self.negatives, dim=1).indices
            negative = hard.gather(1, drawn)
        logits = torch.cat([alike.gather(1, positive) + 0.5, alike.gather(1, negative)], 1) / 0.2
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))

    def forward(self, img: list[Tensor], idx: Tensor) -> Tensor:  # type: ignore[override]
        """Return the loss of a query and a key view, and their rows in the memory."""
        q = unit(self.online(img[0]))
        self.follow()
        with torch.no_grad():
            k = unit(self.target(img[1]))
        with torch.autocast("cpu", enabled=False):
            logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone()], 1) / 0.2
            intra = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))
            inter = self.inter(q, idx)
            self.bank[idx] = k
            self.labels[idx] = (k @ self.centroids.T).argmax(1)
        self.queue[:, self.at : self.at + len(k)] = k.T
        self.at = (self.at + len(k)) % self.queue.shape[1]
        return 0.75 * intra + 0.25 * inter
