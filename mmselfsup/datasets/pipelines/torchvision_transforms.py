"""Every transform of `torchvision.transforms` under its own name, but for those that are ours."""

import inspect
from enum import Enum

from torchvision import transforms

from ..builder import PIPELINES

# Names that mean our own classes.
_OWN = {
    "CenterCrop", "ColorJitter", "GaussianBlur", "Normalize", "RandomGrayscale",
    "RandomHorizontalFlip", "RandomResizedCrop", "RandomRotation", "RandomVerticalFlip", "Resize",
    "ToTensor",
}  # fmt: skip


def _register() -> None:
    """Put torchvision's classes into the registry."""
    for name, cls in inspect.getmembers(transforms, inspect.isclass):
        if name not in _OWN and not issubclass(cls, Enum):
            PIPELINES.register_module(name=name, module=cls)


_register()
