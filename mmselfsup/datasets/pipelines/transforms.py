"""The transforms under the import path of MMSelfSup 0.x."""

from .block_mask import BEiTMaskGenerator, MaskFeatMaskGenerator
from .blur import GaussianBlur
from .lighting import Lighting
from .random_applied import RandomAppliedTrans
from .random_aug import RandomAug
from .simmim_mask import SimMIMMaskGenerator
from .solarization import Solarization
from .to_tensor import ToTensor
from .two_pic_crop import RandomResizedCropAndInterpolationWithTwoPic

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
]
