"""Methods put together from lightly's losses and heads with torchvision's ResNet-18.

Sizes are those of our small configs. As in lightly's documents, each view passes the network on its
own. ``forward`` takes the batch of ours and returns the loss.
"""

import copy
from typing import Any

import torch
from lightly import loss as losses
from lightly.models.modules import NNMemoryBankModule, heads
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn
from torchvision.models import resnet18

QUEUE, D = 4096, 128


def backbone() -> Any:
    """Return a network with pooled features [N, 512]."""
    net = resnet18(zero_init_residual=True)
    net.fc = nn.Identity()
    return net


class Pair(nn.Module):
    """One network, one projection, and a loss of the projections of two views."""

    def __init__(self, head: nn.Module, criterion: nn.Module) -> None:
        super().__init__()
        self.net = nn.Sequential(backbone(), head)
        self.criterion = criterion

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        first, second = (self.net(view).float() for view in img)
        return self.loss(first, second)

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of projections [N, D]."""
        with torch.autocast("cpu", enabled=False):
            found: Tensor = self.criterion(first, second)
            return found


class MMCR(Pair):
    """The online views alone, as in our config: the weight of the second term is 0."""

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the loss of projections [N, D]."""
        views = torch.stack([first, second], dim=1)
        return super().loss(views, views)


class Target(Pair):
    """A network and its moving average, which the second view passes.

    ``second`` is the head of the moving average, for a head that can't be copied.
    """

    momentum = 0.99

    def __init__(
        self, head: nn.Module, criterion: nn.Module, second: nn.Module | None = None
    ) -> None:
        super().__init__(head, criterion)
        self.target = nn.Sequential(copy.deepcopy(self.net[0]), second or copy.deepcopy(head))
        deactivate_requires_grad(self.target)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        update_momentum(self.net, self.target, self.momentum)
        with torch.no_grad():
            second = self.target(img[1]).float()
        return self.loss(self.net(img[0]).float(), second)


class BYOL(Target):
    """Both views predict the other one's target."""

    def __init__(self) -> None:
        super().__init__(heads.BYOLProjectionHead(512, 1024, D), losses.NegativeCosineSimilarity())
        self.predictor = heads.BYOLPredictionHead(D, 1024, D)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        update_momentum(self.net, self.target, 0.97)
        first, second = (self.predictor(self.net(view)).float() for view in img)
        with torch.no_grad():
            targets = [self.target(view).float() for view in img]
        return self.loss(first, targets[1]) + self.loss(second, targets[0])


class SimSiam(nn.Module):
    """Each view predicts the mean of the others; of two views, the other one."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(backbone(), heads.SimSiamProjectionHead(512, 512, 512))
        self.predictor = heads.SimSiamPredictionHead(512, 128, 512)
        self.criterion = losses.NegativeCosineSimilarity()

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of all views."""
        z = [self.net(view) for view in img]
        p = [self.predictor(one).float() for one in z]
        targets = [one.detach().float() for one in z]
        found = []
        for i, prediction in enumerate(p):
            others = torch.stack(targets[:i] + targets[i + 1 :]).mean(dim=0)
            found.append(self.criterion(prediction, others))
        return torch.stack(found).mean()


class NNCLR(Pair):
    """Neighbours of lightly's memory bank."""

    def __init__(self) -> None:
        super().__init__(heads.NNCLRProjectionHead(512, 512, D), losses.NTXentLoss(0.2))
        self.predictor = heads.NNCLRPredictionHead(D, 512, D)
        self.memory = NNMemoryBankModule(size=(QUEUE, D))

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        z = [self.net(view) for view in img]
        p = [self.predictor(one).float() for one in z]
        with torch.autocast("cpu", enabled=False):
            near = [
                self.memory(one.detach().float(), update=update)
                for one, update in zip(z, (False, True), strict=True)
            ]
        return 0.5 * (self.loss(near[0], p[1]) + self.loss(near[1], p[0]))


class SMoG(Target):
    """Groups that move with every batch."""

    def __init__(self) -> None:
        super().__init__(heads.SMoGProjectionHead(512, 512, D), nn.CrossEntropyLoss())
        self.predictor = heads.SMoGPredictionHead(D, 512, D)
        groups = nn.functional.normalize(torch.randn(256, D), dim=1)
        self.groups = heads.SMoGPrototypes(group_features=groups, beta=0.99)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        update_momentum(self.net, self.target, 0.97)
        z = self.net(img[0])
        prediction = self.predictor(z).float()
        with torch.no_grad():
            target = self.target(img[1]).float()
        with torch.autocast("cpu", enabled=False):
            label = self.groups.assign_groups(target)
            moved = self.groups.get_updated_group_features(z.detach().float())
            logits = self.groups(prediction, moved, temperature=0.1)
            self.groups.set_group_features(moved)
            found: Tensor = self.criterion(logits, label)
            return found


class SwAV(nn.Module):
    """Two large and six small views."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(backbone(), heads.SwaVProjectionHead(512, 512, D))
        self.prototypes = heads.SwaVPrototypes(D, n_prototypes=60)
        self.criterion = losses.SwaVLoss(sinkhorn_epsilon=0.02)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of eight views."""
        self.prototypes.normalize()
        z = [nn.functional.normalize(self.net(view).float(), dim=1) for view in img]
        with torch.autocast("cpu", enabled=False):
            scores = [self.prototypes(one) for one in z]
            found: Tensor = self.criterion(scores[:2], scores[2:])
            return found


class DINO(Target):
    """Two large and six small views."""

    def __init__(self) -> None:
        student, teacher = (heads.DINOProjectionHead(512, 512, 256, 1024) for _ in range(2))
        super().__init__(student, losses.DINOLoss(1024), teacher)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of eight views."""
        update_momentum(self.net, self.target, self.momentum)
        with torch.no_grad():
            teacher = [self.target(view).float() for view in img[:2]]
        student = [self.net(view).float() for view in img]
        with torch.autocast("cpu", enabled=False):
            found: Tensor = self.criterion(teacher, student, teacher_temp=0.04)
            return found


class Regularised(nn.Module):
    """LeJEPA and VISReg: two large and six small views."""

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        head = heads.LeJEPAProjectionHead(512, 512, 64)
        self.net, self.criterion = nn.Sequential(backbone(), head), criterion

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of eight views."""
        z = torch.stack([self.net(view).float() for view in img])  # [V, N, D]
        with torch.autocast("cpu", enabled=False):
            found: Tensor = self.criterion(local_proj=z[2:], global_proj=z[:2])
            return found


class VICRegL(nn.Module):
    """Whole views and places of their maps."""

    def __init__(self) -> None:
        super().__init__()
        net = resnet18(zero_init_residual=True)
        block: Any = net.layer4[0]
        block.conv1.stride = block.downsample[0].stride = (1, 1)
        self.maps = nn.Sequential(*list(net.children())[:-2])
        self.head = heads.VICRegProjectionHead(512, 1024, 1024)
        self.local = heads.VicRegLLocalProjectionHead(512, 256, 256)
        self.criterion = losses.VICRegLLoss(num_matches=(6, 6))

    def forward(self, img: list[list[Tensor]]) -> Tensor:
        """Return the loss of two views with the maps to their places in the image."""
        features, grids = [], []
        for view, way in img:
            maps = self.maps(view)
            places = self.local(maps.permute(0, 2, 3, 1))
            features.append((self.head(maps.mean((2, 3))).float(), places.float()))
            at = (torch.arange(maps.shape[2]) + 0.5) / maps.shape[2]
            y, x = torch.meshgrid(at, at, indexing="ij")
            grid = torch.stack([x, y, torch.ones_like(x)], dim=-1)  # [h, w, 3]
            with torch.autocast("cpu", enabled=False):
                grids.append(torch.einsum("nij,hwj->nhwi", way, grid))
        with torch.autocast("cpu", enabled=False):
            found: Tensor = self.criterion(global_view_features=features, global_view_grids=grids)
            return found


def lightly_parts(name: str, size: int) -> Any:
    """Return a module whose forward pass takes the batch of ours and returns the loss."""
    simclr = lambda: heads.SimCLRProjectionHead(512, 512, D)  # noqa: E731
    vicreg = lambda: heads.VICRegProjectionHead(512, 1024, 1024)  # noqa: E731
    return dict(
        mocov2=lambda: Target(
            heads.MoCoProjectionHead(512, 512, D), losses.NTXentLoss(0.2, (QUEUE, D))
        ),
        byol=BYOL,
        simsiam=SimSiam,
        fastsiam=SimSiam,
        swav=SwAV,
        barlowtwins=lambda: Pair(
            heads.BarlowTwinsProjectionHead(512, 512, 512), losses.BarlowTwinsLoss(0.0051)
        ),
        simclr=lambda: Pair(simclr(), losses.NTXentLoss(0.2)),
        dcl=lambda: Pair(simclr(), losses.DCLLoss(0.2)),
        dclw=lambda: Pair(simclr(), losses.DCLWLoss(0.2, 0.5)),
        nnclr=NNCLR,
        tico=lambda: Target(heads.TiCoProjectionHead(512, 1024, D), losses.TiCoLoss(rho=20.0)),
        mmcr=lambda: MMCR(
            heads.MMCRProjectionHead(512, 512, D, num_layers=3), losses.MMCRLoss(lmda=0)
        ),
        vicreg=lambda: Pair(vicreg(), losses.VICRegLoss()),
        vicregl=VICRegL,
        lejepa=lambda: Regularised(losses.LeJEPALoss(sigreg_t_max=5.0, sigreg_num_vectors=256)),
        visreg=lambda: Regularised(losses.VISRegLoss(lambda_param=0.6, num_slices=1024)),
        smog=SMoG,
        dino=DINO,
    )[name]()
