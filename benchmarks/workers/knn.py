"""Balanced accuracy of k-NN on frozen features; the same code for every library."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision import transforms as T


def read(lines: list[str], folder: str, size: int) -> tuple[Tensor, Tensor]:
    """Return images [N, 3, size, size] of a list ``name label``, and labels [N]."""
    transform = T.Compose([T.Resize(size * 9 // 8), T.CenterCrop(size), T.ToTensor()])
    names, labels = zip(*(line.split() for line in lines), strict=True)
    images = [
        transform(Image.open(Path(folder, name), formats=("JPEG", "PNG")).convert("RGB"))
        for name in names
    ]
    return torch.stack(images), torch.tensor([int(label) for label in labels])


@torch.no_grad()
def balanced_accuracy(
    features: Callable[[Tensor], Tensor],
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    mean: list[float],
    std: list[float],
    k: int = 20,
) -> float:
    """Return the balanced accuracy when the k nearest images vote with exp(cosine / 0.07)."""
    shift, scale = (torch.tensor(v)[None, :, None, None] for v in (mean, std))

    def embed(images: Tensor) -> Tensor:
        parts = [features((part - shift) / scale).float() for part in images.split(128)]
        return F.normalize(torch.cat(parts), dim=1)

    similarity, near = (embed(test[0]) @ embed(train[0]).T).topk(k)  # [N, k]
    votes = torch.zeros(len(similarity), int(train[1].max()) + 1)
    votes.scatter_add_(1, train[1][near], ((similarity - 1) / 0.07).exp())
    right = votes.argmax(1) == test[1]
    return float(torch.stack([right[test[1] == c].float().mean() for c in test[1].unique()]).mean())
