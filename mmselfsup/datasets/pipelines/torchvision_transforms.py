"""Every transform of `torchvision.transforms` under its own name."""

import inspect
from enum import Enum

from torchvision import transforms

from ..builder import PIPELINES

_OWN = {"GaussianBlur", "ToTensor"}  # names that mean our own classes


def _register() -> None:
    """Put torchvision's classes into the registry."""
    for name, cls in inspect.getmembers(transforms, inspect.isclass):
        if name not in _OWN and not issubclass(cls, Enum):
            PIPELINES.register_module(name=name, module=cls)


_register()
