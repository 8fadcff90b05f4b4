"""Transforms of a pipeline: a PIL image goes in, a PIL image or a tensor comes out."""

from . import torchvision_transforms
from .transforms import (
    BEiTMaskGenerator,
    GaussianBlur,
    Lighting,
    MaskFeatMaskGenerator,
    RandomAppliedTrans,
    RandomAug,
    RandomResizedCropAndInterpolationWithTwoPic,
    SimMIMMaskGenerator,
    Solarization,
    ToTensor,
)

__all__ = [
    "BEiTMaskGenerator",
    "GaussianBlur",
    "Lighting",
    "MaskFeatMaskGenerator",
    "RandomAppliedTrans",
    "RandomAug",
    "RandomResizedCropAndInterpolationWithTwoPic",
    "SimMIMMaskGenerator",
    "Solarization",
    "ToTensor",
    "torchvision_transforms",
]
