"""Plain ReSSL, SMoG, DeepCluster v2 and distillation: relations to images, groups and a teacher.

Sizes are those of the small configs. Each class takes the batch of ours, ``forward`` returns the
loss.
"""

import torch
import torch.nn.functional as F
import torchvision
from by_hand import D, Momentum, mlp, resnet18, unit
from by_hand_contrastive import NO_BIAS, Queue
from torch import Tensor, nn


class ReSSL(Momentum):
    """A strong view has the similarities to earlier images that a weak one has."""

    def __init__(self, length: int) -> None:
        super().__init__(
            nn.Sequential(resnet18(), mlp(512, 1024, D, norm=True, bias=NO_BIAS)), 0.99
        )
        self.others = Queue(length)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of a strong and a weak view."""
        student = unit(self.online(img[0]))
        with torch.no_grad():
            self.follow()
            teacher = unit(self.target(img[1]))
        queue = self.others.queue.clone()
        with torch.autocast("cpu", enabled=False):
            wanted = (teacher @ queue / 0.04).softmax(1)
            loss = F.cross_entropy(student @ queue / 0.1, wanted)
        self.others.push(teacher)
        return loss


class SMoG(Momentum):
    """Contrast of a view with groups that move with every batch; the target names the group."""

    groups: Tensor

    def __init__(self, length: int) -> None:
        super().__init__(nn.Sequential(resnet18(), mlp(512, 512, D, norm=True, bias=NO_BIAS)), 0.97)
        self.predictor = mlp(D, 512, D, norm=True, bias=NO_BIAS)
        self.register_buffer("groups", F.normalize(torch.randn(256, D), dim=1))
        self.others = Queue(length)

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of two views."""
        z = self.online(img[0])
        with torch.no_grad():
            self.follow()
            target = unit(self.target(img[1]))
        own, prediction = unit(z), unit(self.predictor(z))
        with torch.autocast("cpu", enabled=False):
            label = (target @ self.groups.T).argmax(1)
            member = F.one_hot((own @ self.groups.T).argmax(1), len(self.groups)).float()  # [N, K]
            count = member.sum(0)[:, None]
            mean = member.T @ own / count.clamp(min=1)
            moved = torch.where(count > 0, self.groups.lerp(mean, 0.01), self.groups)
            moved = F.normalize(moved, dim=1)
            loss = F.cross_entropy(prediction @ moved.T / 0.1, label)
        self.groups = moved.detach()
        self.others.push(z.detach())
        return loss


class DeepClusterV2(nn.Module):
    """Prediction of three clusterings of last epoch's features, two large and six small views."""

    labels: Tensor
    banks: Tensor

    def __init__(self, images: int, clusters: int) -> None:
        super().__init__()
        self.net, self.neck = resnet18(), mlp(512, 512, D, norm=True)
        self.heads = nn.ModuleList(
            nn.Linear(D, clusters, bias=False).requires_grad_(False) for _ in range(3)
        )
        self.register_buffer("labels", torch.randint(clusters, (3, images)))
        self.register_buffer("banks", F.normalize(torch.randn(2, images, D), dim=2))

    def forward(self, img: list[Tensor], idx: Tensor) -> Tensor:
        """Return the loss of eight views of the images of these numbers."""
        features = torch.cat([self.net(torch.cat(img[:2])), self.net(torch.cat(img[2:]))])
        z = unit(self.neck(features))
        with torch.autocast("cpu", enabled=False):
            pairs = zip(self.heads, self.labels[:, idx], strict=True)
            losses = [
                F.cross_entropy(head(z) / 0.1, labels.repeat(len(img))) for head, labels in pairs
            ]
        self.banks[:, idx] = z.detach()[: 2 * len(idx)].unflatten(0, (2, -1))
        return torch.stack(losses).mean()


def layers() -> nn.Sequential:
    """Return layers from the student's channels to the teacher's."""
    return nn.Sequential(nn.Linear(512, 2048), nn.LayerNorm(2048), nn.GELU(), nn.Linear(2048, 2048))


class Distillation(nn.Module):
    """Global feature and map of a frozen ResNet-50."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(*list(resnet18().children())[:-2])
        self.vector, self.places = layers(), layers()
        teacher = torchvision.models.resnet50().eval().requires_grad_(False)
        self.teacher = nn.Sequential(*list(teacher.children())[:-2])

    def train(self, mode: bool = True) -> "Distillation":
        """Set the mode of all but the teacher."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, img: list[Tensor]) -> Tensor:
        """Return the loss of one view."""
        maps = self.maps(img[0])
        with torch.no_grad():
            target = self.teacher(img[0]).float()
        vector = self.vector(maps.mean((2, 3)))
        places = self.places(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).float()
        whole = 1 - (unit(vector) * unit(target.mean((2, 3)))).sum(1).mean()
        cosine = 1 - F.cosine_similarity(places, target, dim=1).mean()
        return whole + 0.9 * cosine + 0.1 * F.smooth_l1_loss(places, target)
