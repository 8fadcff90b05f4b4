"""Which arguments a class takes, however it passes them on."""

from typing import Any

import pytest
import torch
from mmcv.cnn import NORM_LAYERS
from mmcv.runner import HOOKS
from torch import nn

from mmselfsup.config.signature import accepted_args


class Base(nn.Module):
    def __init__(self, width: int, depth: int = 1) -> None:
        super().__init__()


class Hands(Base):
    def __init__(self, height: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class HandsOldStyle(Base):
    def __init__(self, height: int, **kwargs: Any) -> None:
        super(HandsOldStyle, self).__init__(width=1, **kwargs)  # noqa: UP008


class Inherits(Hands):
    pass


class Ignores(Base):
    def __init__(self, height: int, **kwargs: Any) -> None:
        super().__init__(1)


class Reads(Base):
    def __init__(self, **kwargs: Any) -> None:
        self.a, self.b = kwargs.pop("a"), kwargs.get("b", 1)
        if "c" in kwargs:
            kwargs["d"] = 1
        super().__init__(**kwargs)


class Keeps(Base):
    def __init__(self, height: int, **kwargs: Any) -> None:
        super().__init__(1)
        self.kwargs = kwargs


class Calls(Base):
    def __init__(self, **options: Any) -> None:
        super().__init__(1)
        self.layer = dict(**options)


class Nothing(nn.Module):
    pass


@pytest.mark.parametrize(
    ("target", "names", "is_open"),
    [
        (Base, "width depth", False),
        (Hands, "height width depth", False),
        (HandsOldStyle, "height width depth", False),
        (Inherits, "height width depth", False),
        (Ignores, "height", False),
        (Reads, "a b c d width depth", False),
        (Keeps, "height", True),
        (Calls, "", True),
        (Nothing, "", False),
        (dict, "", True),
        (lambda a, *, b=1: None, "a b", False),
        (lambda a, **kw: None, "a", True),
    ],
)
def test_arguments(target: Any, names: str, is_open: bool) -> None:
    accepted = accepted_args(target)
    assert set(accepted.names) == set(names.split())
    assert accepted.open is is_open
    assert ("any_other" in accepted) is is_open


def test_classes_of_the_libraries() -> None:
    step = accepted_args(HOOKS.get("StepLrUpdaterHook"))
    assert {"step", "gamma", "min_lr", "by_epoch", "warmup", "warmup_iters"} <= set(step.names)
    assert not step.open
    sgd = accepted_args(torch.optim.SGD)
    assert {"lr", "momentum", "nesterov"} <= set(sgd.names)
    assert not sgd.open
    assert "eps" in accepted_args(NORM_LAYERS.get("BN"))
    assert "epss" not in accepted_args(NORM_LAYERS.get("BN"))


def test_mmcls_backbones() -> None:
    from mmcls.models import BACKBONES

    assert not accepted_args(BACKBONES.get("ResNetV1d")).open
    assert "depth" in accepted_args(BACKBONES.get("ResNetV1d"))
    assert accepted_args(BACKBONES.get("TIMMBackbone")).open, "its kwargs go to timm"
