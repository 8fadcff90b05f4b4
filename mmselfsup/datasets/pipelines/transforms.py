"""The transforms under the import path of MMSelfSup 0.x."""

from .compose import RandomAppliedTrans, RandomAug
from .formatting import Normalize, ToTensor
from .geometric import (
    CenterCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomResizedCropAndInterpolationWithTwoPic,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from .masking import (
    BEiTMaskGenerator,
    IBOTMaskGenerator,
    MaskFeatMaskGenerator,
    MaskGenerator,
    SimMIMMaskGenerator,
)
from .photometric import ColorJitter, GaussianBlur, Lighting, RandomGrayscale, Solarization

__all__ = [
    "BEiTMaskGenerator",
    "CenterCrop",
    "ColorJitter",
    "GaussianBlur",
    "IBOTMaskGenerator",
    "Lighting",
    "MaskFeatMaskGenerator",
    "MaskGenerator",
    "Normalize",
    "RandomAppliedTrans",
    "RandomAug",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomResizedCropAndInterpolationWithTwoPic",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "SimMIMMaskGenerator",
    "Solarization",
    "ToTensor",
]
