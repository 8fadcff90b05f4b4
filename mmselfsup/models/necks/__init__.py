"""Necks: projections between a backbone and a head.

A neck takes and returns a list with one entry for each stage or output.
"""

from .avgpool2d_neck import AvgPool2dNeck
from .cae_neck import CAENeck
from .densecl_neck import DenseCLNeck
from .dino_neck import DINONeck
from .ijepa_neck import IJEPAPredictor
from .linear_neck import LinearNeck
from .mae_neck import MAEPretrainDecoder
from .mocov2_neck import MoCoV2Neck
from .nonlinear_neck import NonLinearNeck
from .odc_neck import ODCNeck
from .relative_loc_neck import RelativeLocNeck
from .simmim_neck import SimMIMNeck
from .spark_neck import SparKDecoder
from .swav_neck import SwAVNeck

__all__ = [
    "AvgPool2dNeck",
    "CAENeck",
    "DINONeck",
    "DenseCLNeck",
    "IJEPAPredictor",
    "LinearNeck",
    "MAEPretrainDecoder",
    "MoCoV2Neck",
    "NonLinearNeck",
    "ODCNeck",
    "RelativeLocNeck",
    "SimMIMNeck",
    "SparKDecoder",
    "SwAVNeck",
]
