"""Self-supervised methods and the classifiers that judge them."""

from .base import BaseModel
from .byol import BYOL
from .classification import Classification
from .densecl import DenseCL
from .mmcls_classifier_wrapper import MMClsImageClassifierWrapper
from .moco import MoCo
from .simclr import SimCLR
from .simsiam import SimSiam

__all__ = [
    "BYOL",
    "BaseModel",
    "Classification",
    "DenseCL",
    "MMClsImageClassifierWrapper",
    "MoCo",
    "SimCLR",
    "SimSiam",
]
