"""Small networks with the names of the real ones."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import nn


def tiny_backbone(width: int = 4) -> nn.Module:
    block = nn.Sequential(OrderedDict(conv1=nn.Conv2d(width, width, 3), bn1=nn.BatchNorm2d(width)))
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, width, 7, bias=False),
            bn1=nn.BatchNorm2d(width),
            layer1=nn.Sequential(block),
        )
    )


class TinyClassifier(nn.Module):
    """``backbone.*`` and ``head.*``."""

    def __init__(self, num_classes: int = 3, width: int = 4) -> None:
        super().__init__()
        self.backbone = tiny_backbone(width)
        self.head = nn.Sequential(OrderedDict(fc_cls=nn.Linear(width, num_classes)))


class TinyBYOL(nn.Module):
    """``online_net.0`` is ``backbone``; ``target_net.0`` is its slow copy."""

    def __init__(self) -> None:
        super().__init__()
        self.online_net = nn.Sequential(tiny_backbone(), nn.Linear(4, 2))
        self.target_net = nn.Sequential(tiny_backbone(), nn.Linear(4, 2))
        self.backbone = self.online_net[0]
        self.register_buffer("queue", torch.randn(2, 8))


@pytest.fixture
def make_backbone() -> Callable[..., nn.Module]:
    return tiny_backbone


@pytest.fixture
def make_classifier() -> Callable[..., TinyClassifier]:
    return TinyClassifier


@pytest.fixture
def make_byol() -> Callable[[], TinyBYOL]:
    return TinyBYOL
