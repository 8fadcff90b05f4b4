"""Plain methods without negatives: the distribution of the projections is regularised.

Sizes are those of the small configs. Each class takes the batch of ours, ``forward`` returns the
loss.
"""

import math

import torch
import torch.nn.functional as F
from by_hand import D, Momentum, mlp, resnet18, unit
from torch import Tensor, nn

NO_BIAS = (False, False)


class TiCo(Momentum):
    """Agreement with a momentum target, and a contrast to the covariance of all projections."""

    covariance: Tensor

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(resnet18(), mlp(512, 1024, D, norm=True, bias=NO_BIAS)), 0.97
        )
        self.register_buffer("covariance", torch.zeros(D, D))

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        z = unit(self.online(img[0]))
        with torch.no_grad():
            self.follow()
            target = unit(self.target(img[1]))
        with torch.autocast("cpu", enabled=False):
            batch = z.T @ z / len(z)
            moved = 0.9 * self.covariance + 0.1 * batch
            self.covariance = moved.detach()
            return 1 - (z * target).sum(1).mean() + 20 * (moved * batch).sum()


class Projected(nn.Module):
    """A network with a projection; ``loss`` takes the projections [N, D] of each view."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.net, self.neck = resnet18(), mlp(512, *widths, norm=True, bias=NO_BIAS)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of all views, each normalised by its own statistics."""
        z = torch.stack([self.neck(self.net(view)).float() for view in img])
        with torch.autocast("cpu", enabled=False):
            return self.loss(z)

    def loss(self, z: Tensor) -> Tensor:
        """Return the loss of projections [V, N, D]."""
        raise NotImplementedError


class MMCR(Projected):
    """Nuclear norm of the centroids of the views."""

    def __init__(self) -> None:
        super().__init__(512, 512, D)

    def loss(self, z: Tensor) -> Tensor:
        """Return the loss of projections [V, N, D]."""
        return -torch.linalg.svdvals(F.normalize(z, dim=2).mean(0)).sum()


def spread(z: Tensor) -> Tensor:
    """Return how far deviations of projections [N, D] are below 1."""
    return F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()


def covariance(z: Tensor) -> Tensor:
    """Return the squared covariances of components of projections [N, D], or of slots [K, N, D]."""
    z = z - z.mean(-2, keepdim=True)
    squares = (z.mT @ z / (z.shape[-2] - 1)).square()
    off = squares.sum((-2, -1)) - squares.diagonal(dim1=-2, dim2=-1).sum(-1)
    return off.mean() / z.shape[-1]


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """Return VICReg's three terms of projections of two views [N, D]."""
    terms = 25 * F.mse_loss(a, b) + 25 * (spread(a) + spread(b))
    return terms + covariance(a) + covariance(b)


class VICReg(Projected):
    """Invariance, variance and covariance."""

    def __init__(self) -> None:
        super().__init__(1024, 1024, 1024)

    def loss(self, z: Tensor) -> Tensor:
        """Return the loss of projections [2, N, D]."""
        return vicreg(z[0], z[1])


def whitened(z: Tensor) -> Tensor:
    """Return projections [N, D] after five Newton iterations towards the inverse root."""
    z = z - z.mean(0)
    eye = torch.eye(z.shape[1])
    sigma = z.T @ z / len(z) + 1e-5 * eye
    trace = sigma.trace()
    sigma, p = sigma / trace, eye
    for _ in range(5):
        p = 1.5 * p - 0.5 * p @ p @ p @ sigma
    return z @ p / trace.sqrt()


class VIbCReg(VICReg):
    """VICReg of whitened projections, with correlations."""

    def loss(self, z: Tensor) -> Tensor:
        """Return the loss of projections [2, N, D]."""
        a, b = whitened(z[0]), whitened(z[1])
        loss = 25 * F.mse_loss(a, b) + 25 * (spread(a) + spread(b))
        for one in (a, b):
            columns = F.normalize(one - one.mean(0), dim=0)
            squares = (columns.T @ columns).square()
            loss = loss + 200 * (squares.sum() - squares.diagonal().sum()) / one.shape[1] ** 2
        return loss


class WMSE(Projected):
    """Distance of views after the batch was whitened by Cholesky's factor."""

    def __init__(self) -> None:
        super().__init__(1024, 64)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of all views, normalised together."""
        z = self.neck(self.net(torch.cat(img))).float().unflatten(0, (len(img), -1))
        with torch.autocast("cpu", enabled=False):
            a, b = (self.whiten(view) for view in z)
            return 2 - 2 * (unit(a) * unit(b)).sum(1).mean()

    @staticmethod
    def whiten(z: Tensor) -> Tensor:
        """Return whitened projections [N, D]; up to 255 images are one slice."""
        z = z - z.mean(0)
        sigma = 0.999 * z.T @ z / (len(z) - 1) + 1e-3 * torch.eye(z.shape[1])
        return torch.linalg.solve_triangular(torch.linalg.cholesky(sigma), z.T, upper=False).T


class LeJEPA(Projected):
    """Agreement with the mean of the global views, and a Gaussian in random directions."""

    directions = 256

    def __init__(self) -> None:
        super().__init__(512, 512, 64)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two large and six small views."""
        z = torch.cat([self.neck(self.net(torch.cat(part))) for part in (img[:2], img[2:])])
        z = z.float().unflatten(0, (len(img), -1))  # [V, N, D]
        with torch.autocast("cpu", enabled=False):
            return self.loss(z)

    def loss(self, z: Tensor) -> Tensor:
        """Return the loss of projections [V, N, D]."""
        agreement = (z - z[:2].mean(0)).square().mean()
        x = z @ F.normalize(torch.randn(z.shape[2], self.directions), dim=0)  # [V, N, M]
        t = torch.linspace(-5, 5, 17)
        normal = torch.exp(-t.square() / 2)
        angle = x[..., None] * t  # [V, N, M, T]
        error = (angle.cos().mean(1) - normal).square() + angle.sin().mean(1).square()
        statistic = torch.trapezoid(error * normal, t, dim=-1) * z.shape[1]
        return 0.95 * agreement + 0.05 * statistic.mean()


class VISReg(LeJEPA):
    """The same with means, deviations and sorted values in random directions."""

    directions = 1024

    def loss(self, z: Tensor) -> Tensor:
        """Return the loss of projections [V, N, D]."""
        agreement = (z - z[:2].mean(0)).square().mean()
        centre = z.mean(1).square().mean()
        scale = (1 - z.std(1, correction=0)).square().mean()
        fixed = z.detach().std(1, correction=0, keepdim=True) + 1e-4
        standard = (z - z.mean(1, keepdim=True)) / fixed
        x = standard @ F.normalize(torch.randn(z.shape[2], self.directions), dim=0)
        shares = torch.arange(1, z.shape[1] + 1) / (z.shape[1] + 1)
        quantiles = math.sqrt(2) * torch.erfinv(2 * shares - 1)
        shape = (x.sort(1).values - quantiles[:, None]).square().mean()
        return 0.4 * agreement + 0.6 * (centre + scale + shape)


class VICRegL(nn.Module):
    """VICReg of whole views, and of places that match by position and by feature."""

    def __init__(self) -> None:
        super().__init__()
        net = resnet18()
        net.layer4[0].conv1.stride = net.layer4[0].downsample[0].stride = (1, 1)
        self.maps = nn.Sequential(*list(net.children())[:-2])
        self.neck = mlp(512, 1024, 1024, 1024, norm=True, bias=NO_BIAS)
        self.local = mlp(512, 256, 256, 256, norm=True, bias=NO_BIAS)

    def view(self, images: Tensor, way: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return projections [N, D], those of places [N, L, D], and their positions [N, L, 2]."""
        maps = self.maps(images)
        n, _, rows, columns = maps.shape
        local = self.local(maps.permute(0, 2, 3, 1).flatten(0, 2)).view(n, rows * columns, -1)
        y, x = torch.meshgrid(
            (torch.arange(rows) + 0.5) / rows,
            (torch.arange(columns) + 0.5) / columns,
            indexing="ij",
        )
        grid = torch.stack([x.flatten(), y.flatten(), torch.ones(rows * columns)])
        with torch.autocast("cpu", enabled=False):
            at = (way @ grid).mT
        return self.neck(maps.mean((2, 3))).float(), local.float(), at

    @staticmethod
    def matched(own: Tensor, other: Tensor, own_by: Tensor, other_by: Tensor) -> Tensor:
        """Return VICReg's terms of the six closest pairs, each a slot of its own."""
        with torch.no_grad():
            distance, j = torch.cdist(own_by, other_by).min(2)
            i = distance.argsort(dim=1, stable=True)[:, :6]
            j = j.gather(1, i)
        a = own.gather(1, i[..., None].expand(-1, -1, own.shape[2])).transpose(0, 1)
        b = other.gather(1, j[..., None].expand(-1, -1, own.shape[2])).transpose(0, 1)
        hinge = sum(F.relu(1 - (one.var(1) + 1e-4).sqrt()).mean() for one in (a, b))
        return 25 * F.mse_loss(a, b) + 25 * hinge + covariance(a) + covariance(b)

    def forward(self, img: list[list[Tensor]]) -> Tensor:
        """Return the loss of two views with the maps to their places in the image."""
        (z_a, local_a, at_a), (z_b, local_b, at_b) = (self.view(*one) for one in img)
        with torch.autocast("cpu", enabled=False):
            loss = 0.75 * vicreg(z_a, z_b)
            for by_a, by_b in ((at_a, at_b), (local_a, local_b)):
                both = self.matched(local_a, local_b, by_a, by_b)
                both = both + self.matched(local_b, local_a, by_b, by_a)
                loss = loss + 0.25 * both / 2
            return loss
