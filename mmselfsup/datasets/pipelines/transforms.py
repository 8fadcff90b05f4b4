"""The transforms under the import path of MMSelfSup 0.x."""

from .block_mask import BEiTMaskGenerator, MaskFeatMaskGenerator
from .blur import GaussianBlur
from .color import ColorJitter, RandomGrayscale
from .lighting import Lighting
from .random_applied import RandomAppliedTrans
from .random_aug import RandomAug
from .resizing import CenterCrop, RandomResizedCrop, Resize
from .simmim_mask import SimMIMMaskGenerator
from .solarization import Solarization
from .to_tensor import Normalize, ToTensor
from .turning import RandomHorizontalFlip, RandomRotation, RandomVerticalFlip
from .two_pic_crop import RandomResizedCropAndInterpolationWithTwoPic

__all__ = [
    "BEiTMaskGenerator",
    "CenterCrop",
    "ColorJitter",
    "GaussianBlur",
    "Lighting",
    "MaskFeatMaskGenerator",
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
