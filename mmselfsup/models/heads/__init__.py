"""Heads: modules that compute losses from features or similarities."""

from .cae_head import CAEHead
from .cls_head import ClsHead
from .contrastive_head import ContrastiveHead
from .cross_correlation_head import LatentCrossCorrelationHead
from .latent_pred_head import LatentClsHead, LatentPredictHead
from .mae_head import MAEFinetuneHead, MAELinprobeHead, MAEPretrainHead
from .maskfeat_head import MaskFeatFinetuneHead, MaskFeatPretrainHead
from .metadata_cls_head import MetadataClsHead
from .mocov3_head import MoCoV3Head
from .multi_cls_head import MultiClsHead
from .simmim_head import SimMIMHead
from .swav_head import SwAVHead

__all__ = [
    "CAEHead",
    "ClsHead",
    "ContrastiveHead",
    "LatentClsHead",
    "LatentCrossCorrelationHead",
    "LatentPredictHead",
    "MAEFinetuneHead",
    "MAELinprobeHead",
    "MAEPretrainHead",
    "MaskFeatFinetuneHead",
    "MaskFeatPretrainHead",
    "MetadataClsHead",
    "MoCoV3Head",
    "MultiClsHead",
    "SimMIMHead",
    "SwAVHead",
]
