"""Self-supervised methods and the classifiers that judge them."""

from .base import BaseModel
from .byol import BYOL
from .classification import Classification
from .densecl import DenseCL
from .mmcls_classifier_wrapper import MMClsImageClassifierWrapper
from .moco import MoCo
from .relative_loc import RelativeLoc
from .rotation_pred import RotationPred
from .simclr import SimCLR
from .simsiam import SimSiam
from .swav import SwAV

__all__ = [
    "BYOL",
    "BaseModel",
    "Classification",
    "DenseCL",
    "MMClsImageClassifierWrapper",
    "MoCo",
    "RelativeLoc",
    "RotationPred",
    "SimCLR",
    "SimSiam",
    "SwAV",
]
