"""Self-supervised methods, and the classifiers that evaluate or fine-tune their backbones."""

from .all4one import All4One
from .barlowtwins import BarlowTwins
from .base import BaseModel
from .byol import BYOL
from .cae import CAE
from .classification import Classification
from .deepcluster import DeepCluster
from .deepclusterv2 import DeepClusterV2
from .densecl import DenseCL
from .dino import DINO
from .dinov2 import DINOv2
from .distillation import Distillation
from .fastsiam import FastSiam
from .ibot import IBOT
from .ijepa import IJEPA
from .interclr_moco import InterCLRMoCo
from .lejepa import LeJEPA
from .mae import MAE
from .maskfeat import MaskFeat
from .mmcls_classifier_wrapper import MMClsImageClassifierWrapper
from .mmcr import MMCR
from .moco import MoCo
from .mocov3 import MoCoV3
from .msn import MSN
from .nnbyol import NNBYOL
from .nnclr import NNCLR
from .nnsiam import NNSiam
from .npid import NPID
from .odc import ODC
from .pmsn import PMSN
from .relative_loc import RelativeLoc
from .ressl import ReSSL
from .rotation_pred import RotationPred
from .simclr import SimCLR
from .simmim import SimMIM
from .simsiam import SimSiam
from .smog import SMoG
from .spark import SparK
from .supcon import SupCon
from .swav import SwAV
from .tico import TiCo
from .vibcreg import VIbCReg
from .vicreg import VICReg
from .vicregl import VICRegL
from .visreg import VISReg
from .wmse import WMSE

__all__ = [
    "BYOL",
    "CAE",
    "DINO",
    "IBOT",
    "IJEPA",
    "MAE",
    "MMCR",
    "MSN",
    "NNBYOL",
    "NNCLR",
    "NPID",
    "ODC",
    "PMSN",
    "WMSE",
    "All4One",
    "BarlowTwins",
    "BaseModel",
    "Classification",
    "DINOv2",
    "DeepCluster",
    "DeepClusterV2",
    "DenseCL",
    "Distillation",
    "FastSiam",
    "InterCLRMoCo",
    "LeJEPA",
    "MMClsImageClassifierWrapper",
    "MaskFeat",
    "MoCo",
    "MoCoV3",
    "NNSiam",
    "ReSSL",
    "RelativeLoc",
    "RotationPred",
    "SMoG",
    "SimCLR",
    "SimMIM",
    "SimSiam",
    "SparK",
    "SupCon",
    "SwAV",
    "TiCo",
    "VICReg",
    "VICRegL",
    "VISReg",
    "VIbCReg",
]
