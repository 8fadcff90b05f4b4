"""Every transform of ``torchvision.transforms`` under its own name, except those replaced here."""

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
    """Register torchvision's classes."""
    for name, cls in inspect.getmembers(transforms, inspect.isclass):
        if name not in _OWN and not issubclass(cls, Enum):
            PIPELINES.register_module(name=name, module=cls)


_register()
